"""The shipped definitions: read by several processes at once."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import SimpleQueue

import pytest

from adapter.validation import Validator
from adapter.validation.definitions import archive

FORKS = "fork" in multiprocessing.get_all_start_methods()


def read_all(answers: SimpleQueue[str]) -> None:
    """Reads many members; puts what went wrong, or nothing."""
    try:
        for member in sorted(archive("r4").index["StructureDefinition"].values()):
            archive("r4").read(member)
        answers.put("")
    except Exception as error:
        answers.put(type(error).__name__)


@pytest.mark.skipif(not FORKS, reason="this system does not fork")
def test_forked_processes_read_the_same_archive() -> None:
    archive("r4").read("index.json")  # opened before the fork
    context = multiprocessing.get_context("fork")
    answers: SimpleQueue[str] = context.SimpleQueue()
    children = [context.Process(target=read_all, args=(answers,)) for _ in range(3)]
    for child in children:
        child.start()
    found = [answers.get() for _ in children]
    for child in children:
        child.join()
    assert found == ["", "", ""]


LABEL = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy.label"


def study_with(extension: dict[str, object]) -> dict[str, object]:
    return {"resourceType": "ResearchStudy", "status": "active", "extension": [extension]}


def test_an_element_of_r5_is_checked_as_an_extension() -> None:
    good = {"url": LABEL, "extension": [{"url": "value", "valueString": "Exosomes"}]}
    wrong = {"url": LABEL, "extension": [{"url": "value", "valueInteger": 1}]}
    validator = Validator("R4")
    assert validator.is_valid(study_with(good))
    assert not validator.is_valid(study_with(wrong))
    assert not validator.is_valid(study_with({"url": LABEL, "valueString": "Exosomes"}))
