"""What is mutated, and the tests that each module belongs to, the quickest first."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Final

_SOURCE: Final = "src/utskick/"
_MACHINE: Final = "tests/store/messages/test_delivery_machine.py"

#: Modules of each package.
PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "engine": ("engine/*.py",),
    "store": ("store/messages/*.py", "store/queue.py", "store/transitions.py"),
    "auth": ("auth/*.py",),
    "domain": ("domain/*.py",),
    "sms": ("channels/sms/*.py",),
    "preflight": ("pdf/*.py",),
}

#: Left out: what only starts up, waits or logs, whose tests take a minute or more.
LEFT_OUT: Final = (
    "*/__init__.py",
    "engine/failpoints.py",
    "engine/worker.py",
    "engine/maintenance.py",
    "engine/webhooks.py",
    "engine/batch_progress.py",
    "engine/retention.py",
    "store/messages/attachments.py",
    "domain/configuration.py",
)

_TESTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "engine/retry.py",
        ("tests/engine/test_retry.py", "tests/engine/test_uncertain_deliveries.py"),
    ),
    (
        "engine/readiness.py",
        ("tests/http/messages/test_hand_overs.py", "tests/http/messages/test_illness.py"),
    ),
    ("engine/hand_overs.py", ("tests/http/messages/test_hand_overs.py",)),
    (
        "engine/intake.py",
        ("tests/http/messages/test_send.py", "tests/http/messages/test_idempotency.py"),
    ),
    (
        "engine/dispatch.py",
        (
            "tests/engine/test_uncertain_deliveries.py",
            "tests/http/messages/test_uncertain.py",
            "tests/http/messages/test_send.py",
            "tests/http/messages/test_admission.py",
            "tests/http/messages/test_messages.py",
            "tests/http/messages/test_illness.py",
        ),
    ),
    (
        "engine/sync_wait.py",
        ("tests/http/messages/test_send.py", "tests/http/messages/test_unsettled.py"),
    ),
    (
        "engine/receipts.py",
        ("tests/http/messages/test_send.py", "tests/http/messages/test_uncertain.py"),
    ),
    ("engine/*", ("tests/engine", "tests/http/messages/test_illness.py")),
    ("store/messages/print_batches.py", ("tests/http/messages/test_letter.py",)),
    ("store/messages/deliveries.py", ("tests/http/test_vault.py", _MACHINE)),
    ("store/messages/contents.py", ("tests/http/messages/test_send.py",)),
    (
        "store/messages/inbound*.py",
        ("tests/http/events/test_inbound.py", "tests/http/events/test_inbound_webhooks.py"),
    ),
    (
        "store/messages/idempotency.py",
        ("tests/http/messages/test_idempotency.py",),
    ),
    (
        "store/messages/acceptance.py",
        ("tests/http/messages/test_send.py", "tests/http/history/test_conversations.py"),
    ),
    (
        "store/messages/follow_ups.py",
        (
            "tests/store/messages/test_attempts.py",
            "tests/store/messages/test_transitions.py",
            "tests/http/messages/test_messages.py",
            "tests/http/messages/test_letter.py",
        ),
    ),
    ("store/queue.py", ("tests/store/test_queue.py", _MACHINE)),
    (
        "store/*",
        (
            "tests/store/messages/test_attempts.py",
            "tests/store/messages/test_transitions.py",
            "tests/store/messages/test_withdrawals.py",
            _MACHINE,
            "tests/http/messages/test_uncertain.py",
        ),
    ),
    ("auth/*", ("tests/auth", "tests/http/oauth", "tests/http/pipeline/test_authorization.py")),
    (
        "domain/message.py",
        (
            "tests/http/messages/test_send.py",
            "tests/http/messages/test_letter.py",
            "tests/http/messages/test_messages.py",
        ),
    ),
    (
        "domain/channel.py",
        ("tests/domain", "tests/http/docs/test_openapi.py", "tests/http/messages/test_send.py"),
    ),
    (
        "domain/retention.py",
        ("tests/domain", "tests/http/retention"),
    ),
    (
        "domain/*",
        (
            "tests/domain",
            "tests/http/wire/test_validators.py",
            "tests/channels/snail_mail/test_requests.py",
            "tests/http/messages/test_send.py",
        ),
    ),
    ("channels/sms/*", ("tests/channels/sms", "tests/channels/test_concerns.py")),
    ("pdf/*", ("tests/pdf", "tests/channels/snail_mail/test_handover.py")),
)


def package_of(path: str) -> str | None:
    """Return the package of a file that is mutated."""
    name = path.removeprefix(_SOURCE)
    if any(fnmatch(name, left_out) for left_out in LEFT_OUT):
        return None
    return next(
        (package for package, globs in PACKAGES.items() if any(fnmatch(name, g) for g in globs)),
        None,
    )


def suite_of(path: str) -> tuple[str, ...]:
    """Return the tests of a file that is mutated."""
    name = path.removeprefix(_SOURCE)
    return next(tests for glob, tests in _TESTS if fnmatch(name, glob))
