"""The commit and garbage-collection protocol, held against every interleaving of small worlds.

``--log-cli-level=INFO`` shows how many states there are, and every mutation's counterexample.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from . import scenarios
from .image_scenarios import FEATURES, IMAGES
from .model import COMMITTED, FENCED, Explorer, Scenario
from .mutations import DETECTED, HARMLESS, LATE_FLUSH, Mutation
from .quiet import leaks
from .rules import STEPS, Rules
from .trace import describe

Make = Callable[[Rules], Scenario]

LOG = logging.getLogger(__name__)
DOCUMENT = Path(__file__).parents[2] / "docs" / "format" / "protocol.md"
COVERING = (
    scenarios.partial_end,
    scenarios.partial_parent,
    scenarios.forget_twice,
    scenarios.merge_with_prune,
    scenarios.reckless_index,
    scenarios.repack,
    scenarios.exclusive,
    *FEATURES,
)
BROKEN = [
    pytest.param(mutation, id=f"{group}: {mutation.name}")
    for group, mutations in DETECTED.items()
    for mutation in mutations
]


def explore_everything(make: Make) -> None:
    """No bad state, and no leak after any crash of everybody."""
    scenario = make(Rules())
    verdict = Explorer(scenario).run()
    LOG.info("%s: %d states, %d stores", make.__name__, verdict.states, len(verdict.stores))
    assert not verdict.bad, describe(verdict, scenario)
    left = next(((leak, store) for store in verdict.stores if (leak := leaks(store))), None)
    assert left is None


@pytest.mark.parametrize(
    "make", (*scenarios.DEFAULT, *IMAGES, *FEATURES), ids=lambda make: make.__name__
)
def test_no_interleaving_does_harm(make: Make) -> None:
    explore_everything(make)


@pytest.mark.slow
@pytest.mark.parametrize("make", scenarios.SLOW, ids=lambda make: make.__name__)
def test_no_interleaving_of_more_actors_does_harm(make: Make) -> None:
    explore_everything(make)


@pytest.mark.parametrize("mutation", BROKEN)
def test_breaking_a_rule_is_noticed(mutation: Mutation) -> None:
    scenario = mutation.scenario(replace(Rules(), **mutation.changes))
    verdict = Explorer(scenario).run()
    LOG.info("%s\n%s", mutation.scenario.__name__, describe(verdict, scenario))
    assert verdict.bad


@pytest.mark.parametrize("mutation", HARMLESS, ids=lambda mutation: mutation.name)
def test_what_is_not_needed_is_not_needed(mutation: Mutation) -> None:
    scenario = mutation.scenario(replace(Rules(), **mutation.changes))
    verdict = Explorer(scenario).run()
    assert not verdict.bad, describe(verdict, scenario)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", HARMLESS, ids=lambda mutation: mutation.name)
def test_what_is_not_needed_is_needed_nowhere(mutation: Mutation) -> None:
    for make in scenarios.DEFAULT:
        scenario = make(replace(Rules(), **mutation.changes))
        verdict = Explorer(scenario).run()
        assert not verdict.bad, f"{make.__name__}\n{describe(verdict, scenario)}"


def test_every_step_is_taken_somewhere() -> None:
    taken: set[str] = set()
    for make in COVERING:
        taken |= Explorer(make(Rules())).run().steps
    assert taken == set(STEPS) - {"A2"}  # which the model takes together with W4


def test_long_runs_get_through_their_partial_commits() -> None:
    """Else the rules for them would hold for want of any."""
    for changes in ({}, LATE_FLUSH):
        scenario = scenarios.partial_commit(replace(Rules(), **changes))
        session = scenario.names["sessions"].index("anna")
        partial = scenario.names["sessions"].index("anna-part")
        ends = {(s.sessions[session], s.sessions[partial]) for s in Explorer(scenario).run().stores}
        assert {(COMMITTED, COMMITTED), (FENCED, COMMITTED), (COMMITTED, FENCED)} <= ends


def test_every_mutation_changes_the_rules() -> None:
    for group in (*DETECTED.values(), HARMLESS):
        for mutation in group:
            assert replace(Rules(), **mutation.changes) != Rules()


def test_the_document_names_the_steps_of_the_model() -> None:
    """Each step has its row in a table, so document and model cannot drift apart unnoticed."""
    rows = re.findall(r"^\| ([A-Z]\d[a-d]?) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(STEPS)
