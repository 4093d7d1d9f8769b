"""The map stage: a study folder to checked FHIR resources and a balanced ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, TypeAlias

from adapter.errors import ConfigurationError
from adapter.fhir.order import reference_to, references
from adapter.mapped import Mapped
from adapter.privacy import judge_withdrawal, refusals
from adapter.recipes import (
    Assembly,
    Ledger,
    Origin,
    Reject,
    assemble,
    compile_recipes,
)
from adapter.sources import Table, read_sources
from adapter.study import Study
from mappings import map_entity, map_subject
from mappings.context import KINDS, Context
from mappings.entities import Arm, Cohort, Form, Key, Product, Question, Site, Subject, Treatment
from mappings.entities import Study as StudyEntity
from mappings.medication import product_key
from mappings.study_record import map_cohort
from mappings.study_record import map_study as map_registration

Progress: TypeAlias = Callable[[str, int, int], None]

QUESTION_TYPES = {
    "yesno": "boolean",
    "truefalse": "boolean",
    "radio": "choice",
    "dropdown": "choice",
    "checkbox": "choice",
    "notes": "text",
    "calc": "decimal",
}
VALIDATED_TYPES = {
    "integer": "integer",
    "number": "decimal",
    "date": "date",
    "datetime": "dateTime",
}


def silent(_stage: str, _done: int, _total: int) -> None:
    """A progress function that shows nothing."""


@dataclass(frozen=True)
class Refused:
    """What rejected rows would have made: worked out when it is asked for, which is seldom."""

    keys: Collection[Key]
    subject_keys: Collection[Key]
    entities: Collection[Any]  # that consent does not cover
    to: Context

    @cached_property
    def references(self) -> frozenset[str]:
        """``Type/id`` of every resource."""
        ids = {f"{kind}/{self.to.id(kind, key)}" for kind in KINDS for key in self.keys}
        made = (each for entity in self.entities for each in map_entity(entity, self.to))
        return frozenset(ids.union(reference_to(each) for each in made))

    @cached_property
    def subjects(self) -> frozenset[str]:
        """The ids of their Patients."""
        return frozenset(self.to.id("Patient", key) for key in self.subject_keys)


@dataclass(frozen=True, slots=True)
class MapResult:
    """What a study maps to: the resources that passed the gate, the ledger and its rejects."""

    study: Study
    resources: list[Mapped]
    ledger: dict[str, Any]
    rejects: list[Reject]
    tables: Mapping[str, Table]
    refused: Refused
    dropped: list[str] = field(default_factory=list)

    def is_held(self, reference: str, subject: str) -> bool:
        """Whether a resource is absent only because its row, or its subject's, is rejected."""
        return (
            reference in self.dropped
            or subject in self.refused.subjects
            or reference in self.refused.references
        )

    @property
    def counts(self) -> dict[str, int]:
        """Resources by type."""
        return dict(sorted(Counter(m.resource["resourceType"] for m in self.resources).items()))


def map_study(study: Study, progress: Progress = silent) -> MapResult:
    """Map a study folder: read, compile, assemble, map, check; nothing is sent.

    Raises ConfigurationError, SourceError and LedgerError.
    """
    tables = read_sources(study.settings.sources)
    assembly = assembled(study, tables)
    mapped = [*_study_level(study, tables, assembly), *_subjects(study, assembly, progress)]
    passed, dropped = _gate(study, mapped, assembly.ledger, progress)
    groups, refused = _gate(study, _cohorts(study, assembly, passed), assembly.ledger, progress)
    passed, dropped = passed + groups, dropped + refused
    rejects = assembly.ledger.rejects()
    of_rejects = Refused(assembly.refused, assembly.refused_subjects, assembly.held, study.context)
    result = MapResult(study, passed, {}, rejects, tables, of_rejects, dropped)
    result.ledger.update(_ledger(study, assembly.ledger, rejects, result.counts))
    return result


def assembled(study: Study, tables: Mapping[str, Table]) -> Assembly:
    """The rows as entities; what no consent covers any more, or at all, is held back first."""
    settings = study.settings
    recipes = compile_recipes(study.scope(tables))
    gate = partial(refusals, needed=settings.consent, today=study.today)
    return assemble(
        recipes,
        tables,
        settings.collision_limit,
        gate if settings.consent.required else None,
        partial(judge_withdrawal, erase=settings.withdrawal == "erase"),
    )


# --- the study itself --------------------------------------------------------------------------


def _study_level(study: Study, tables: Mapping[str, Table], assembly: Assembly) -> Iterable[Mapped]:
    registered = registered_study(study, assembly.arms)
    products = products_of(study, assembly)
    forms = forms_of(study, tables)
    for _, resource in map_registration(registered, products, forms, study.context):
        yield Mapped(resource, "")
    for product in products:
        for resource in map_entity(product, study.context):
            yield Mapped(resource, "")


def registered_study(study: Study, arms: Sequence[str]) -> StudyEntity:
    """The study as registered, with the sites and the present status of study.yaml.

    ``arms`` are those that its subjects may be in: its own where no registry says any.
    """
    settings = study.settings
    sites = tuple(
        Site(
            key=(name,),
            name=site["name"],
            city=site.get("city"),
            state=site.get("state"),
            postal_code=site.get("postal-code"),
            country=site.get("country"),
            status=site.get("status"),
            investigators=tuple(site.get("investigators", ())),
        )
        for name, site in settings.sites.items()
    )
    own = tuple(Arm(key=(settings.study, name), name=name) for name in arms)
    registration = study.registration
    if registration is None:
        return StudyEntity(
            key=(settings.study,),
            title=settings.title or settings.study,
            status=settings.status or "UNKNOWN",
            arms=own,
            sites=sites,
        )
    return replace(
        registration,
        arms=registration.arms or own,
        sites=registration.sites + sites,
        present_status=settings.status,
    )


def products_of(study: Study, assembly: Assembly) -> list[Product]:
    """Every batch of every investigational product that was given, each a Medication of its own."""
    known = study.codes["product"]
    for name in study.settings.products:
        if name not in known:
            raise ConfigurationError(
                f"no code table explains the product {name!r}",
                where=study.settings.where("products", name),
                hint=f"mappings/codes/product.csv has: {', '.join(known.terms)}",
            )
    batches = {
        (entity.drug, entity.batch or "")
        for entity in assembly.entities()
        if isinstance(entity, Treatment) and entity.drug in known
    }
    return [
        _product(drug, batch or None, study.settings.products.get(drug, {}))
        for drug, batch in sorted(batches)
    ]


def _product(drug: str, batch: str | None, described: Mapping[str, Any]) -> Product:
    return Product(
        key=product_key(drug, batch),
        term=drug,
        form=described.get("form"),
        batch=batch,
        strength=Decimal(str(described["strength"])) if "strength" in described else None,
        strength_unit=described.get("strength-unit"),
    )


def forms_of(study: Study, tables: Mapping[str, Table]) -> list[Form]:
    """Every form whose answers a recipe takes, as its data dictionary describes it."""
    return [
        Form(
            key=(recipe.spec.get("form", recipe.name),),
            title=recipe.spec.get("title", recipe.name),
            questions=tuple(
                _question(tables[recipe.source], name) for name in recipe.spec.get("items", ())
            ),
        )
        for recipe in study.settings.recipes.values()
        if recipe.entity == "Answers"
    ]


def _question(table: Table, name: str) -> Question:
    described = table.dictionary[name]
    validated = VALIDATED_TYPES.get(described.validation.split("_")[0], "string")
    return Question(
        link=name,
        text=described.label,
        kind=QUESTION_TYPES.get(described.type, validated),
        options=described.choices if described.type in ("radio", "dropdown", "checkbox") else (),
        required=described.required,
    )


# --- subjects and their groups -----------------------------------------------------------------


def _subjects(study: Study, assembly: Assembly, progress: Progress) -> Iterable[Mapped]:
    total = len(assembly.subjects)
    for done, (key, all_made) in enumerate(assembly.subjects.items(), start=1):
        partition = study.context.id("Patient", key)
        origins = {id(made.entity): made.origin for made in all_made}
        for entity, resource in map_subject([m.entity for m in all_made], study.context):
            origin = origins.get(id(entity))
            yield Mapped(resource, partition, (origin,) if origin else ())
        progress("map", done, total)


def _cohorts(study: Study, assembly: Assembly, passed: Sequence[Mapped]) -> list[Mapped]:
    """The group of each arm: the children whose Patient passed the gate."""
    held = {each.reference for each in passed}
    members: dict[str, list[tuple[str, ...]]] = {}
    for key, made in assembly.subjects.items():
        subject = made[0].entity
        if isinstance(subject, Subject) and f"Patient/{study.context.id('Patient', key)}" in held:
            members.setdefault(subject.arm, []).append(key)
    cohorts = [
        Cohort(arm=arm, members=tuple(sorted(keys, key=lambda k: study.context.id("Patient", k))))
        for arm, keys in members.items()
    ]
    return [Mapped(resource, "") for resource in map_cohort(cohorts, study.context)]


# --- the gate ----------------------------------------------------------------------------------


def _gate(
    study: Study, mapped: Sequence[Mapped], ledger: Ledger, progress: Progress
) -> tuple[list[Mapped], list[str]]:
    """Keep what is valid; what refers to a refused resource is refused with it."""
    new = [each for each in mapped if each.digest not in study.passed]
    refused = _judged(study, new, progress) if new else {}
    grown = bool(refused)
    while grown:
        dangling = {
            m.reference: "refers to a resource that was refused"
            for m in mapped
            if m.reference not in refused and not refused.keys().isdisjoint(references(m.resource))
        }
        refused.update(dangling)
        grown = bool(dangling)
    if not refused:
        return list(mapped), []
    for each in mapped:
        if each.reference in refused:
            _refuse(each, refused[each.reference], ledger)
    return [m for m in mapped if m.reference not in refused], sorted(refused)


def _judged(study: Study, new: Sequence[Mapped], progress: Progress) -> dict[str, str]:
    """Why those of these that are not valid may not pass, by reference."""
    from adapter.validation import Validator  # here, as most pushes find nothing new to check

    validator = Validator(study.settings.fhir, packages=study.settings.packages)
    refused = {}
    for done, each in enumerate(new, start=1):
        errors = [i for i in validator.validate(each.resource) if i.severity in ("error", "fatal")]
        if errors:
            refused[each.reference] = f"{errors[0].path}: {errors[0].rule}"
        else:
            study.passed.add(each.digest)
        if done % 200 == 0 or done == len(new):
            progress("check", done, len(new))
    return refused


def _refuse(each: Mapped, reason: str, ledger: Ledger) -> None:
    for origin in each.origins or (Origin("", 0, ()),):
        if origin.source:
            ledger.reject(
                origin.source,
                origin.line,
                "",
                "invalid-resource",
                reason,
                entity=each.resource["resourceType"],
                effect="row",
                columns=origin.columns,
            )


def _ledger(
    study: Study, ledger: Ledger, rejects: Sequence[Reject], counts: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "study": study.settings.study,
        "fhir": study.settings.fhir,
        "balanced": True,  # sums() raises otherwise
        "sources": ledger.sums(),
        "omitted": ledger.omissions(),
        "rejected": [reject.to_json() for reject in rejects],
        "resources": dict(counts),
    }
