"""The forms of the study, as a REDCap data dictionary."""

from __future__ import annotations

HEADER = (
    "Variable / Field Name|Form Name|Section Header|Field Type|Field Label|"
    "Choices, Calculations, OR Slider Labels|Field Note|"
    "Text Validation Type OR Show Slider Number|Text Validation Min|Text Validation Max|"
    "Identifier?|Branching Logic (Show field only if...)|Required Field?|Custom Alignment|"
    "Question Number (surveys only)|Matrix Group Name|Matrix Ranking?|Field Annotation"
).split("|")

DIAGNOSES = {
    "1": "Severe pneumonia", "2": "Sepsis", "3": "Acute respiratory distress syndrome",
    "4": "Bacterial pneumonia", "5": "Viral pneumonia", "6": "RSV bronchiolitis",
    "11": "Asthma", "12": "Interstitial lung disease", "13": "Pulmonary fibrosis",
    "14": "Acute lung injury", "15": "Status asthmaticus",
}  # fmt: skip
SUPPORT = {
    "0": "Room air", "1": "Nasal cannula", "2": "Mask", "3": "High-flow nasal cannula",
    "4": "CPAP", "5": "Invasive ventilation",
}  # fmt: skip
DRUGS = {
    "1": "Ceftriaxone", "2": "Azithromycin", "3": "Meropenem", "4": "Methylprednisolone",
    "5": "Budesonide", "6": "Salbutamol",
}  # fmt: skip
TARGETS = {
    "1": "Respiratory syncytial virus", "2": "Mycoplasma pneumoniae",
    "3": "Streptococcus pneumoniae", "4": "Haemophilus influenzae", "5": "Human adenovirus",
    "6": "Influenza A virus", "7": "Staphylococcus aureus",
}  # fmt: skip
EVENTS = {
    "1": "Fever", "2": "Rash", "3": "Nausea", "4": "Vomiting", "5": "Bronchospasm",
    "6": "Tachycardia", "7": "Headache", "8": "Anaphylaxis",
}  # fmt: skip


def choices(pairs: dict[str, str]) -> str:
    """Choices as the dictionary writes them."""
    return " | ".join(f"{code}, {label}" for code, label in pairs.items())


# name, form, type, label, choices, validation, min, max, flags (i: identifier, r: required)
FIELDS: list[tuple[str, str, str, str, str, str, str, str, str]] = [
    ("record_id", "demographics", "text", "Record", "", "", "", "", "r"),
    ("child_name", "demographics", "text", "Name of the child", "", "", "", "", "i"),
    ("national_id", "demographics", "text", "Identity number", "", "", "", "", "i"),
    ("guardian_phone", "demographics", "text", "Phone of the guardian", "", "phone", "", "", "i"),
    ("birth_date", "demographics", "text", "Date of birth", "", "date_ymd", "2008-01-01", "2025-12-31", "ir"),
    ("sex", "demographics", "radio", "Sex", "1, Male | 2, Female", "", "", "", "r"),
    ("study_group", "demographics", "radio", "Group", "1, Experimental group | 2, Control group 1 | 3, Control group 2", "", "", "", "r"),
    ("screen_date", "demographics", "text", "Date of screening", "", "date_ymd", "2023-06-01", "2025-12-31", ""),
    ("enrol_date", "demographics", "text", "Date of enrolment", "", "date_ymd", "2023-07-02", "2025-12-31", "r"),
    ("age_years", "demographics", "text", "Age at enrolment (years)", "", "number", "1", "14.99", "r"),
    ("consent_date", "consent", "text", "Consent signed on", "", "date_ymd", "", "", "r"),
    ("guardian_name", "consent", "text", "Name of the guardian", "", "", "", "", "i"),
    ("guardian_relation", "consent", "radio", "Relation to the child", "1, Mother | 2, Father | 3, Legal guardian", "", "", "", "r"),
    ("assent", "consent", "radio", "Assent of the child (8 years and older)", "1, Given | 0, Refused", "", "", "", ""),
    ("hosp_no", "hospital_stay", "text", "Hospitalization number", "", "", "", "", "ir"),
    ("adm_time", "hospital_stay", "text", "Admitted", "", "datetime_ymd", "", "", "r"),
    ("dis_time", "hospital_stay", "text", "Discharged", "", "datetime_ymd", "", "", ""),
    ("dx_main", "hospital_stay", "dropdown", "Main diagnosis", choices(DIAGNOSES), "", "", "", "r"),
    ("dx_second", "hospital_stay", "dropdown", "Second diagnosis", choices(DIAGNOSES), "", "", "", ""),
    ("dx_severity", "hospital_stay", "radio", "Severity", "1, Mild | 2, Moderate | 3, Severe", "", "", "", ""),
    ("illness_days", "hospital_stay", "text", "Days ill before admission", "", "integer", "0", "60", ""),
    ("disposition", "hospital_stay", "dropdown", "Discharged to", "1, Home | 2, Other hospital | 3, Rehabilitation | 4, Died", "", "", "", ""),
    ("ox_from", "oxygen_outcome", "text", "Oxygen consumption from", "", "date_ymd", "", "", "r"),
    ("ox_to", "oxygen_outcome", "text", "Oxygen consumption to", "", "date_ymd", "", "", ""),
    ("ox_volume", "oxygen_outcome", "text", "Oxygen used (L)", "", "number", "0", "200000", ""),
    ("ox_hours", "oxygen_outcome", "text", "Hours on oxygen", "", "number", "0", "400", ""),
    ("ox_weaned", "oxygen_outcome", "yesno", "Weaned from oxygen", "", "", "", "", ""),
    ("prog_date", "prognosis", "text", "Assessed on", "", "date_ymd", "", "", "r"),
    ("prognosis", "prognosis", "radio", "Prognosis", "1, Recovered | 2, Improved | 3, Unchanged | 4, Deteriorated | 5, Dead", "", "", "", "r"),
    ("wd_date", "withdrawal", "text", "Withdrawn on", "", "date_ymd", "", "", "r"),
    ("wd_reason", "withdrawal", "radio", "Reason", "1, Guardian withdrew | 2, Lost to follow-up | 3, Adverse event", "", "", "", ""),
    ("day_time", "daily_course", "text", "Measured at", "", "datetime_ymd", "", "", "r"),
    ("hr", "daily_course", "text", "Heart rate (/min)", "", "integer", "40", "240", ""),
    ("rr", "daily_course", "text", "Respiratory rate (/min)", "", "integer", "8", "100", ""),
    ("temp", "daily_course", "text", "Body temperature (°C)", "", "number", "33", "43", ""),
    ("spo2", "daily_course", "text", "SpO2 (%)", "", "integer", "50", "100", ""),
    ("sbp", "daily_course", "text", "Systolic blood pressure (mmHg)", "", "integer", "50", "180", ""),
    ("dbp", "daily_course", "text", "Diastolic blood pressure (mmHg)", "", "integer", "25", "120", ""),
    ("fio2", "daily_course", "text", "FiO2 (%)", "", "integer", "21", "100", ""),
    ("o2_flow", "daily_course", "text", "Oxygen flow (L/min)", "", "number", "0", "60", ""),
    ("peep", "daily_course", "text", "PEEP (cmH2O)", "", "integer", "0", "30", ""),
    ("support_now", "daily_course", "radio", "Respiratory support now", choices(SUPPORT), "", "", "", ""),
    ("day_support", "daily_course", "text", "Period of support (number)", "", "integer", "1", "20", ""),
    ("rs_mode", "respiratory_support", "dropdown", "Respiratory support", choices({k: v for k, v in SUPPORT.items() if k != "0"}), "", "", "", "r"),
    ("rs_start", "respiratory_support", "text", "From", "", "datetime_ymd", "", "", "r"),
    ("rs_end", "respiratory_support", "text", "To", "", "datetime_ymd", "", "", ""),
    ("lf_time", "lung_function", "text", "Measured at", "", "datetime_ymd", "", "", "r"),
    ("lf_phase", "lung_function", "radio", "Before or after exosomes", "1, Before | 2, After | 3, Control", "", "", "", ""),
    ("fev1", "lung_function", "text", "FEV1 (L)", "", "number", "0.2", "6", ""),
    ("fev1_pct", "lung_function", "text", "FEV1 (% predicted)", "", "number", "10", "160", ""),
    ("fev1_z", "lung_function", "text", "FEV1 (z-score)", "", "number", "-8", "5", ""),
    ("fvc", "lung_function", "text", "FVC (L)", "", "number", "0.2", "7", ""),
    ("fvc_pct", "lung_function", "text", "FVC (% predicted)", "", "number", "10", "160", ""),
    ("fvc_z", "lung_function", "text", "FVC (z-score)", "", "number", "-8", "5", ""),
    ("fev1_fvc", "lung_function", "text", "FEV1/FVC (%)", "", "number", "20", "100", ""),
    ("pef", "lung_function", "text", "PEF (L/s)", "", "number", "0.3", "12", ""),
    ("mmef", "lung_function", "text", "MMEF (L/s)", "", "number", "0.1", "8", ""),
    ("tptef_te", "lung_function", "text", "tPTEF/tE (%), tidal breathing", "", "number", "5", "70", ""),
    ("med_drug", "medication", "dropdown", "Drug", choices(DRUGS), "", "", "", "r"),
    ("med_start", "medication", "text", "From", "", "date_ymd", "", "", "r"),
    ("med_end", "medication", "text", "To", "", "date_ymd", "", "", ""),
    ("med_dose", "medication", "text", "Single dose (mg)", "", "number", "0.1", "4000", ""),
    ("med_route", "medication", "radio", "Route", "1, Intravenous | 2, Oral | 3, Nebulized", "", "", "", ""),
    ("exo_batch", "exosome_dose", "text", "Batch", "", "", "", "", "r"),
    ("exo_time", "exosome_dose", "text", "Given at", "", "datetime_ymd", "", "", "r"),
    ("exo_dose", "exosome_dose", "text", "Dose (10^9 particles)", "", "number", "0.1", "100", ""),
    ("exo_route", "exosome_dose", "radio", "Route", "1, Intravenous | 3, Nebulized", "", "", "", ""),
    ("exo_rate", "exosome_dose", "text", "Rate (mL/h)", "", "number", "1", "100", ""),
    ("seq_sample", "sequencing", "text", "Sample", "", "", "", "", "r"),
    ("seq_date", "sequencing", "text", "Reported on", "", "date_ymd", "", "", "r"),
    ("seq_target1", "sequencing", "dropdown", "First target", choices(TARGETS), "", "", "", ""),
    ("seq_reads1", "sequencing", "text", "Reads", "", "integer", "1", "1000000", ""),
    ("seq_target2", "sequencing", "dropdown", "Second target", choices(TARGETS), "", "", "", ""),
    ("seq_reads2", "sequencing", "text", "Reads", "", "integer", "1", "1000000", ""),
    ("seq_file", "sequencing", "text", "Data file", "", "", "", "", ""),
    ("sq_date", "safety_questionnaire", "text", "Asked on", "", "date_ymd", "", "", "r"),
    ("sq_fever", "safety_questionnaire", "yesno", "Fever since the last visit?", "", "", "", "", "r"),
    ("sq_cough", "safety_questionnaire", "radio", "Cough", "0, None | 1, At night | 2, All day", "", "", "", ""),
    ("sq_temp", "safety_questionnaire", "text", "Highest temperature (°C)", "", "number", "34", "43", ""),
    ("sq_missed", "safety_questionnaire", "text", "Days missed at school", "", "integer", "0", "365", ""),
    ("sq_seen", "safety_questionnaire", "text", "Last seen by a doctor", "", "date_ymd", "", "", ""),
    ("sq_note", "safety_questionnaire", "notes", "What the guardian says", "", "", "", "", "i"),
    ("ae_term", "adverse_event", "dropdown", "Event", choices(EVENTS), "", "", "", "r"),
    ("ae_onset", "adverse_event", "text", "From", "", "date_ymd", "", "", "r"),
    ("ae_end", "adverse_event", "text", "To", "", "date_ymd", "", "", ""),
    ("ae_severity", "adverse_event", "radio", "Severity", "1, Mild | 2, Moderate | 3, Severe", "", "", "", ""),
    ("ae_grade", "adverse_event", "radio", "CTCAE grade", "1, 1 | 2, 2 | 3, 3 | 4, 4 | 5, 5", "", "", "", ""),
    ("ae_serious", "adverse_event", "yesno", "Serious", "", "", "", "", "r"),
    ("ae_criteria", "adverse_event", "checkbox", "Serious because", "1, Death | 2, Life-threatening | 3, Hospitalization | 4, Other medically important", "", "", "", ""),
    ("ae_causality", "adverse_event", "radio", "Related to the exosomes", "1, Unlikely | 2, Possible | 3, Probable | 4, Certain", "", "", "", ""),
    ("ae_outcome", "adverse_event", "radio", "Outcome", "1, Resolved | 2, Recovering | 3, Ongoing", "", "", "", ""),
    ("ae_expected", "adverse_event", "yesno", "Expected", "", "", "", "", ""),
    ("ae_dose_no", "adverse_event", "text", "Suspected dose (number)", "", "integer", "1", "9", ""),
]  # fmt: skip

REPEATING = (
    "daily_course respiratory_support lung_function medication exosome_dose sequencing "
    "safety_questionnaire adverse_event"
).split()


def rows() -> list[list[str]]:
    """The dictionary's lines below its header."""
    return [
        [name, form, "", kind, label, options, "", check, low, high, "y" * ("i" in flags), "",
         "y" * ("r" in flags), "", "", "", "", ""]
        for name, form, kind, label, options, check, low, high, flags in FIELDS
    ]  # fmt: skip


def columns() -> list[str]:
    """The columns of an export: structure, fields by form, and each form's status."""
    found = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance"]
    found.append("redcap_data_access_group")
    for form in dict.fromkeys(field[1] for field in FIELDS):
        for name, of, kind, _, options, *_ in FIELDS:
            if of != form or name == "record_id":
                continue
            if kind == "checkbox":
                codes = [choice.partition(",")[0].strip() for choice in options.split("|")]
                found += [f"{name}___{code}" for code in codes]
            else:
                found.append(name)
        found.append(f"{form}_complete")
    return found
