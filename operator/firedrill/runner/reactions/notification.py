"""A message to people that data has drifted, by Apprise: a chat, a pager, mail."""

from typing import Any, Final

from firedrill.runner.ports import Clock
from firedrill.runner.reactions.port import ActionFailed, Occasion
from firedrill.sources.login import Login

#: After the first try of each address.
_MORE_TRIES: Final = 3
_WAIT_SECONDS: Final = 1.0
#: For all tries of all addresses; they are told at once.
_LIMIT_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 16
_SHOWN_COLUMNS: Final = 20
_DETAIL_LENGTH: Final = 200


async def notify(login: Login, occasion: Occasion, clock: Clock) -> str:
    """Tell every address of the Secret, each up to four times; gives the names of the services that took it.

    Redirects are not followed. Raises ActionFailed, whose text holds no address: they hold tokens.
    """
    from apprise import Apprise, AppriseResultStatus, NotifyFormat, NotifyType

    sender = Apprise(asset=_asset())
    for number, address in _addresses(login):
        if not sender.add(address):
            raise ActionFailed(f"secretRef: line {number} of key urls is no address that Apprise knows; none was told")
    left = (occasion.task.deadline - clock.now()).total_seconds()
    told = await sender.async_notify(
        title=_title(occasion),
        body=_body(occasion),
        notify_type=NotifyType.WARNING,
        body_format=NotifyFormat.TEXT,
        timeout=max(min(left, _LIMIT_SECONDS), 1.0),
    )
    failed = [each for each in told if each.status != AppriseResultStatus.SUCCESS]
    if failed or told.status != AppriseResultStatus.SUCCESS:
        taken = any(each.status != AppriseResultStatus.FAILURE for each in told)
        raise ActionFailed("; ".join(_said(each) for each in failed) or "Apprise told nobody", unsure=taken)
    return f"told {', '.join(str(each.name) for each in told)}"


def _asset() -> Any:
    from apprise import AppriseAsset

    return AppriseAsset(
        app_id="Firedrill",
        app_desc="Firedrill",
        http_redirects=False,
        default_service_retry=_MORE_TRIES,
        default_service_wait=_WAIT_SECONDS,
        service_timeout=_LIMIT_SECONDS,
        result_log_disk_size=0,
    )


def _addresses(login: Login) -> list[tuple[int, str]]:
    """Addresses with the numbers of their lines. Raises ActionFailed without any, and with too many."""
    lines = [(number, line.strip()) for number, line in enumerate(login.urls.splitlines(), start=1)]
    found = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not found:
        raise ActionFailed("secretRef: the Secret has no key urls with an address of Apprise on each line")
    if len(found) > _MOST_ADDRESSES:
        raise ActionFailed(f"secretRef: key urls has {len(found)} addresses, {_MOST_ADDRESSES} are allowed")
    return found


def _title(occasion: Occasion) -> str:
    task = occasion.task
    return f"{task.kind} {task.namespace}/{task.name} in {task.cluster}: drift"


def _body(occasion: Occasion) -> str:
    names, more = occasion.reacted.drifted, len(occasion.reacted.drifted) - _SHOWN_COLUMNS
    lines = [occasion.reacted.message]
    if names:
        lines.append(f"drifted: {', '.join(names[:_SHOWN_COLUMNS])}" + (f" and {more} more" if more > 0 else ""))
    return "\n".join([*lines, f"run {occasion.task.run_id}, {occasion.reacted.at.isoformat(timespec='seconds')}"])


def _said(result: Any) -> str:
    """What a service that was not told has said at its last try."""
    said = [entry.message for attempt in result for entry in attempt.logs]
    return f"{result.name}: {said[-1][:_DETAIL_LENGTH] if said else result.status.name.lower()}"
