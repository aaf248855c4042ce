"""Experiments of AWS FIS: allowed by template, started once, watched, translated, stopped."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from chaos_fis import TEMPLATE
from chaos_lab import AWS_FIS, Lab, spec, task
from pydantic import ValidationError

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Family
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import Throttled
from firedrill.engines.chaos.adapters.awsfis import Experiment, outcome, parsed
from firedrill.runner.fis.aws import AwsFis, said
from firedrill.runner.fis.port import TAG, FisError, FisUnreachable
from firedrill.runner.retry import is_passing

Object = dict[str, Any]


async def test_it_is_started_watched_and_stopped() -> None:
    lab = Lab(task(spec(AWS_FIS)))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld"), lab.result.message
    assert len(lab.account.started) == 1
    assert list(lab.account.stopped) == ["EXP1"]
    record = lab.record()
    assert record is not None
    assert record.undone_by == "runner"
    assert record.residues == ["experiment EXP1: what aws:ec2:stop-instances can not take back stays"]
    assert {each.name for each in lab.result.measurements} >= {"awsFis: actions begun"}
    assert lab.problems() == []


async def test_one_that_ends_by_itself_is_not_waited_for() -> None:
    lab = Lab(task(spec(AWS_FIS, duration="100s", timeout="8m")))
    await lab.play()
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED, lab.result.message
    assert lab.account.stopped == {}


@pytest.mark.parametrize(
    ("ends_as", "verdict", "reason"),
    [("stopped", Verdict.FAILED, "AwsFisStopped"), ("failed", Verdict.ERROR, "AwsFisFailed")],
)
async def test_its_own_word_counts(ends_as: str, verdict: Verdict, reason: str) -> None:
    lab = Lab(task(spec(AWS_FIS, duration="100s", timeout="8m")))
    lab.account.ends_as = ends_as
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (verdict, reason), lab.result.message


def allowing(*templates: str) -> Object:
    policy: Object = {"faultFamilies": [each.value for each in Family], "maxAffectedPercent": 100}
    return {"policy": {**policy, "awsFis": {"templates": list(templates)}}}


@pytest.mark.parametrize(
    ("change", "fields", "reason", "says"),
    [
        (lambda _account: None, allowing(), "NotPermitted", "policy.awsFis.templates"),
        (lambda _account: None, allowing("EXT0"), "NotPermitted", "does not allow the template"),
        (lambda account: account.closed_to.add("runner"), {}, "NotPermitted", "AccessDeniedException"),
        (lambda account: setattr(account, "away", True), {}, "NotApplicable", "nobody answers"),
    ],
)
async def test_what_can_not_be_is_told_before_anything_is_written(
    change: Any, fields: Object, reason: str, says: str
) -> None:
    lab = Lab(task(spec(AWS_FIS), **fields))
    change(lab.account)
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert (lab.result.reason, says in lab.result.message) == (reason, True), lab.result.message
    assert runner.writes == []
    assert lab.account.started == {}


async def test_a_template_that_is_not_there_is_told() -> None:
    fault = {"awsFis": {"template": "EXT9", "region": "eu-west-1"}}
    lab = Lab(task(spec(fault), **allowing("EXT9")))
    await lab.clock.run(lab.runner(lab.runner_process()))
    assert lab.result is not None
    assert lab.result.reason == "NotApplicable"


async def test_a_guardian_that_aws_does_not_let_in_is_no_guardian() -> None:
    lab = Lab(task(spec(AWS_FIS)))
    lab.account.closed_to.add("guardian")
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "GuardianNotPermitted")
    assert lab.account.started == {}


async def test_one_that_aws_knows_no_more_is_declared() -> None:
    lab = Lab(task(spec(AWS_FIS)))

    async def forget() -> None:
        await lab.clock.sleep(12.0)
        lab.account.forgotten = True
        lab.account.stopped["EXP1"] = lab.clock.now() - timedelta(minutes=1)

    async def both() -> None:
        import asyncio

        await asyncio.gather(lab.both(lab.runner_process()), forget())

    await lab.clock.run(both())
    record = lab.record()
    assert record is not None
    assert record.state.settled
    assert record.residues == ["experiment EXP1: AWS knows it no more, so that nobody can say how it ended"]


async def test_throttling_is_no_refusal() -> None:
    lab = Lab(task(spec(AWS_FIS)))
    lab.account.odd_starts = [(Throttled(429, "ThrottlingException", "later"), False)] * 2
    await lab.play()
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED, lab.result.message
    assert len(lab.account.started) == 1


async def test_a_start_that_is_refused_leaves_nothing_to_undo() -> None:
    lab = Lab(task(spec(AWS_FIS)))
    lab.account.odd_starts = [(FisError("ValidationException", "no"), False)]
    await lab.play()
    assert lab.result is not None
    assert lab.result.reason == "NotInjected"
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence == "was never carried out"


async def test_a_start_whose_answer_is_lost_may_have_begun_and_is_stopped() -> None:
    lab = Lab(task(spec(AWS_FIS)))
    lab.account.odd_starts = [(FisUnreachable("cut off"), True), (FisError("ConflictException", "no"), False)]
    await lab.play()
    assert lab.result is not None
    assert lab.result.reason == "NotInjected"
    assert list(lab.account.stopped) == ["EXP1"]
    assert lab.problems() == []


async def test_a_start_that_nobody_answers_may_have_begun() -> None:
    lab = Lab(task(spec(AWS_FIS)))
    lab.account.odd_starts = [(FisUnreachable("cut off"), True)] * 20
    await lab.play()
    assert lab.result is not None
    assert (lab.result.reason, "may have begun" in lab.result.message) == ("NotInjected", True), lab.result.message
    assert list(lab.account.stopped) == ["EXP1"]
    assert lab.problems() == []


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, Throttled),
        ("RequestLimitExceeded", 503, Throttled),
        ("Anything", 429, Throttled),
        ("InternalServerException", 500, FisUnreachable),
        ("ServiceUnavailable", 503, FisUnreachable),
        ("AccessDeniedException", 403, FisError),
    ],
)
def test_what_may_pass_by_itself_is_told_from_a_refusal(code: str, status: int, kind: type[Exception]) -> None:
    told = said({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}})
    assert type(told) is kind
    assert is_passing(told) is (kind is not FisError)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"template": "EXT1"}, "region"),
        ({"template": "arn:aws:fis", "region": "eu-west-1"}, "template"),
        ({"template": "EXT1", "region": "eu-west-1.evil.example"}, "region"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(fields: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ChaosExperimentSpec.model_validate(spec({"awsFis": fields}))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("running", None),
        ("completed", None),
        ("pending", Verdict.INCONCLUSIVE),
        ("stopped", Verdict.FAILED),
        ("cancelled", Verdict.ERROR),
    ],
)
def test_states_are_translated(status: str, verdict: Verdict | None) -> None:
    assert outcome(Experiment(status)).verdict is verdict
    assert outcome(None).verdict is Verdict.INCONCLUSIVE


def test_what_is_odd_is_read_all_the_same() -> None:
    assert parsed({}) == Experiment("unknown")
    assert str(parsed({"state": {"status": "failed", "reason": "x" * 900}})).count("x") == 200


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> tuple[AwsFis, Stubber]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    fis = AwsFis("eu-west-1")
    stubber = Stubber(fis._client())
    stubber.activate()
    return fis, stubber


async def test_the_client_is_asked_as_aws_defines_it(stubbed: tuple[AwsFis, Stubber]) -> None:
    fis, stubber = stubbed
    asked = {"clientToken": "t", "experimentTemplateId": TEMPLATE, "tags": {TAG: "t"}}
    stubber.add_response("start_experiment", {"experiment": {"id": "EXP1"}}, asked)
    listed = [{"id": "EXP1", "tags": {TAG: "t"}}, {"id": "EXP2", "tags": {}}, {"id": "EXP3"}]
    stubber.add_response("list_experiments", {"experiments": listed}, {"experimentTemplateId": TEMPLATE})
    told = {
        "state": {"status": "running"},
        "actions": {"a": {"actionId": "aws:fis:wait", "state": {"status": "running"}}},
    }
    stubber.add_response("get_experiment", {"experiment": told}, {"id": "EXP1"})
    stubber.add_response("stop_experiment", {"experiment": {"id": "EXP1"}}, {"id": "EXP1"})
    assert await fis.start(TEMPLATE, "t") == "EXP1"
    assert await fis.find(TEMPLATE, "t") == ["EXP1"]
    assert (await fis.experiment("EXP1")).begun == ["a"]
    await fis.stop("EXP1")
    stubber.assert_no_pending_responses()


async def test_errors_of_the_client_are_told_in_our_words(stubbed: tuple[AwsFis, Stubber]) -> None:
    fis, stubber = stubbed
    stubber.add_client_error(
        "get_experiment_template", "ResourceNotFoundException", "no", 404, expected_params={"id": TEMPLATE}
    )
    with pytest.raises(FisError, match="ResourceNotFoundException: no") as told:
        await fis.actions(TEMPLATE)
    assert told.value.missing


async def test_no_credentials_are_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(FisUnreachable, match="NoCredentialsError"):
        await AwsFis("eu-west-1").actions(TEMPLATE)
