"""What the replies of a mail server mean, and whom they concern."""

from __future__ import annotations

import pytest

from utskick.channels.email.smtp_replies import Reply, Step, outcome_of
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Rejected, Sent, Uncertain

RECIPIENT, DESTINATION, ACCOUNT, OURSELVES = Concern


@pytest.mark.parametrize(
    ("step", "code", "text", "kind", "named", "concerns"),
    [
        (Step.OPEN, 554, "5.3.2 not you", Misconfigured, "refused-connection", ACCOUNT),
        (Step.OPEN, 421, "4.7.0 too many connections", Deferred, "closing", ACCOUNT),
        (Step.OPEN, 454, "4.7.0 login is away", Deferred, "throttled", ACCOUNT),
        (Step.HELO, 550, "5.7.1 bad name", Misconfigured, "refused-helo", ACCOUNT),
        (Step.HELO, 502, "what", Misconfigured, "refused-command", ACCOUNT),
        (Step.SENDER, 550, "5.7.1 not yours", Misconfigured, "refused-sender", OURSELVES),
        (Step.SENDER, 450, "4.1.8 <a@b>: no such domain", Deferred, "refused-sender", OURSELVES),
        (Step.SENDER, 450, "4.7.1 Error: too much mail from [x]", Deferred, "throttled", ACCOUNT),
        (Step.SENDER, 550, "5.7.1 <h>: Helo command rejected", Misconfigured, "refused-helo", ACCOUNT),
        (Step.SENDER, 552, "", Rejected, "too-large", None),
        (Step.SENDER, 451, "4.3.0 x", Deferred, "provider-fault", ACCOUNT),
        (Step.SENDER, 530, "5.7.0 login", Misconfigured, "refused-login", ACCOUNT),
        (Step.RECIPIENT, 550, "", Rejected, "unknown-recipient", None),
        (Step.RECIPIENT, 550, "5.1.1 <x>: User unknown", Rejected, "unknown-recipient", None),
        (Step.RECIPIENT, 551, "5.1.6 moved", Rejected, "unknown-recipient", None),
        (Step.RECIPIENT, 552, "5.2.2 full", Rejected, "mailbox-full", None),
        (Step.RECIPIENT, 552, "", Rejected, "mailbox-full", None),
        (Step.RECIPIENT, 553, "5.1.3 syntax", Rejected, "unknown-recipient", None),
        (Step.RECIPIENT, 556, "5.1.10 null MX", Rejected, "unknown-recipient", None),
        (Step.RECIPIENT, 554, "", Rejected, "refused-recipient", None),
        (Step.RECIPIENT, 550, "5.2.1 disabled", Rejected, "mailbox-disabled", None),
        (Step.RECIPIENT, 550, "5.4.4 no route", Rejected, "unroutable", None),
        (Step.RECIPIENT, 554, "5.7.1 not for you", Misconfigured, "refused-access", ACCOUNT),
        (Step.RECIPIENT, 554, "5.7.1 <x>: Recipient address rejected: Access denied", Misconfigured, "refused-access", RECIPIENT),
        (Step.RECIPIENT, 550, "5.7.1 <x>: Recipient address rejected: User unknown", Rejected, "unknown-recipient", None),
        (Step.RECIPIENT, 554, "5.7.1 <a@relay.x>: Relay access denied", Misconfigured, "refused-relay", ACCOUNT),
        (Step.RECIPIENT, 454, "4.7.1 <a@b>: Relay access denied", Misconfigured, "refused-relay", ACCOUNT),
        (Step.RECIPIENT, 550, "relay not permitted", Misconfigured, "refused-relay", ACCOUNT),
        (Step.RECIPIENT, 550, "5.7.54 SMTP; Unable to relay recipient", Misconfigured, "refused-relay", ACCOUNT),
        (Step.RECIPIENT, 550, "Sender verify failed", Misconfigured, "refused-sender", OURSELVES),
        (Step.RECIPIENT, 553, "5.7.1 <s>: Sender address rejected: not owned", Misconfigured, "refused-sender", OURSELVES),
        (Step.RECIPIENT, 504, "5.5.2 <h>: Helo command rejected", Misconfigured, "refused-helo", ACCOUNT),
        (Step.RECIPIENT, 554, "5.7.1 Service unavailable; Client host [1] blocked", Misconfigured, "refused-connection", ACCOUNT),
        (Step.RECIPIENT, 550, "Authentication required", Misconfigured, "refused-login", ACCOUNT),
        (Step.RECIPIENT, 535, "5.7.8 login", Misconfigured, "refused-login", ACCOUNT),
        (Step.RECIPIENT, 450, "", Deferred, "mailbox-unavailable", RECIPIENT),
        (Step.RECIPIENT, 451, "local problem", Deferred, "mailbox-unavailable", RECIPIENT),
        (Step.RECIPIENT, 450, "4.7.1 <x>: Recipient address rejected: busy", Deferred, "mailbox-unavailable", RECIPIENT),
        (Step.RECIPIENT, 450, "4.7.1 Error: too many recipients from [x]", Deferred, "throttled", ACCOUNT),
        (Step.RECIPIENT, 450, "4.2.0 <x>: Recipient address rejected: Greylisted", Deferred, "greylisted", RECIPIENT),
        (Step.RECIPIENT, 452, "4.2.2 over quota", Deferred, "mailbox-full", RECIPIENT),
        (Step.RECIPIENT, 452, "", Deferred, "mailbox-full", RECIPIENT),
        (Step.RECIPIENT, 452, "4.3.1 disk", Deferred, "provider-fault", ACCOUNT),
        (Step.RECIPIENT, 452, "4.5.3 too many", Deferred, "throttled", ACCOUNT),
        (Step.RECIPIENT, 451, "4.4.3 no answer of DNS", Deferred, "unroutable", DESTINATION),
        (Step.RECIPIENT, 421, "4.7.0 later", Deferred, "closing", ACCOUNT),
        (Step.DATA, 554, "5.6.0 no", Rejected, "refused-content", None),
        (Step.DATA, 250, "what", Deferred, "garbage", ACCOUNT),
        (Step.CONTENT, 552, "5.3.4 big", Rejected, "too-large", None),
        (Step.CONTENT, 552, "5.2.2 full", Rejected, "mailbox-full", None),
        (Step.CONTENT, 550, "5.7.1 spam of a blacklisted sender", Rejected, "refused-content", None),
        (Step.CONTENT, 550, "5.7.26 DMARC", Misconfigured, "refused-access", ACCOUNT),
        (Step.CONTENT, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", Misconfigured, "refused-sender", OURSELVES),
        (Step.CONTENT, 451, "4.7.1 greylisted", Deferred, "greylisted", RECIPIENT),
        (Step.CONTENT, 451, "4.3.0 disk", Deferred, "provider-fault", ACCOUNT),
        (Step.CONTENT, 452, "", Deferred, "provider-fault", ACCOUNT),
        (Step.CONTENT, 421, "4.3.2 closing", Deferred, "closing", ACCOUNT),
        (Step.CONTENT, 354, "again", Uncertain, "garbage", ACCOUNT),
        (Step.CONTENT, 999, "x", Uncertain, "garbage", ACCOUNT),
    ],
)  # fmt: skip
def test_what_a_reply_means(
    step: Step, code: int, text: str, kind: type, named: str, concerns: Concern | None
) -> None:
    outcome = outcome_of(step, Reply(code, text))
    assert type(outcome) is kind
    assert not isinstance(outcome, Sent)
    assert outcome.reason.code == named
    assert (outcome.reason.provider_code or "").startswith(str(code))
    assert getattr(outcome, "concerns", None) == concerns
