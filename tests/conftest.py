"""What tests share: a small study in a temporary folder, and a fixed study key."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

STUDY_KEY = bytes(range(32))

STUDY_YAML = """\
study: TEST01
time-zone: Asia/Shanghai
identifier-base: https://w3id.org/study-fhir-adapter/studies/test01
title: A small study
collision-limit: 50%
sites:
  main: {name: First Hospital, city: Chongqing, country: CN}
sources:
  people: {format: csv, file: people.csv, omit: {name: direct identifier}}
  lab: {format: csv, file: lab.csv}
recipes:
  subjects:
    entity: Subject
    source: people
    key: [id]
    set: {site: main}
    fields:
      arm: {to: arm, codes: {"1": treated, "2": control}}
      sex: {to: sex, codes: {"1": male, "2": female}}
      born: {to: birth_year}
      enrolled: {to: enrolled}
  laboratory:
    entity: Measurement
    source: lab
    key: [order, test]
    subject: id
    fields:
      test: {to: code, codes: {CRP: crp, PCT: pct}}
      result: {to: value, missing: {"-99": not-performed}}
      unit: {to: unit, codes: {mg/L: mg/L, ng/mL: ng/mL}}
      taken: {to: when, format: "%Y-%m-%d %H:%M"}
"""

PEOPLE = """\
id,name,arm,sex,born,enrolled
01,CANARY-NAME-7f3a,1,1,2015-03-02,2024-01-10
02,CANARY-NAME-7f3b,2,2,2018-11-30,2024-02-11
"""

LAB = """\
order,id,test,result,unit,taken
a1,01,CRP,12.50,mg/L,2024-01-10 08:30
a1,01,PCT,<0.05,ng/mL,2024-01-10 08:30
a2,02,CRP,3,mg/L,2024-02-11 09:00
"""


@pytest.fixture(scope="session", autouse=True)
def signals_arrive() -> None:
    """What runs in the background ignores Ctrl-C, and so do the processes that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test, but the place of the samples."""
    for name in list(os.environ):
        if name.startswith("STUDY_FHIR_") and name != "STUDY_FHIR_SAMPLES":
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study folder with two children and three lab results."""
    study = tmp_path / "study"
    (study / ".study-fhir").mkdir(parents=True)
    (study / "study.yaml").write_text(STUDY_YAML, encoding="utf-8")
    (study / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (study / "lab.csv").write_text(LAB, encoding="utf-8")
    key = study / ".study-fhir" / "study.key"
    key.write_text(STUDY_KEY.hex(), encoding="ascii")
    key.chmod(0o600)
    return study
