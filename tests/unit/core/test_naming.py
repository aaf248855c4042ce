"""Names: short enough for what is derived from them, valid for DNS, and as distinct as what they stand for."""

import re

from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.kinds import RUN_KINDS
from firedrill.api.run import NOT_RUN_RELEVANT, RunSpec
from firedrill.core import naming

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True)
TEXT = st.text(max_size=40)


@given(kind=st.sampled_from(list(RUN_KINDS)), name=NAMES, uid=TEXT, run=TEXT, cluster=NAMES)
def test_names_are_labels_of_at_most_63(kind: str, name: str, uid: str, run: str, cluster: str) -> None:
    job = naming.job_name(kind, name, uid, run, cluster)
    derived = [f(job) for f in (naming.guardian_name, naming.task_name, naming.result_name, naming.record_name)]
    for made in [job, *derived]:
        assert LABEL.fullmatch(made), made
        assert len(made) <= 63, made
    # The Job controller adds a dash and five characters for a pod's name, and cuts no label for it.
    assert len(job) + 6 <= 63


@given(st.tuples(TEXT, TEXT, TEXT), st.tuples(TEXT, TEXT, TEXT))
def test_different_runs_have_different_jobs(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    same = naming.job_name("DriftCheck", "n", *one) == naming.job_name("DriftCheck", "n", *other)
    assert same == (one == other)


def test_borders_between_parts_count() -> None:
    assert naming.digest("ab", "c") != naming.digest("a", "bc")


def test_a_hash_follows_what_a_run_does_and_not_when_it_is_started() -> None:
    base = {"timeout": "10m", "clusters": {"names": ["a"]}}
    assert naming.spec_hash(base) == naming.spec_hash(dict(reversed(base.items())))
    assert naming.spec_hash({**base, "timeout": "11m"}) != naming.spec_hash(base)
    for name in NOT_RUN_RELEVANT:
        assert naming.spec_hash({**base, name: "x"}) == naming.spec_hash(base), name


def test_what_is_not_run_relevant_exists() -> None:
    aliases = {field.alias for field in RunSpec.model_fields.values()}
    assert aliases >= NOT_RUN_RELEVANT
