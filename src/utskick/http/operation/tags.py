"""Tags of operations."""

from __future__ import annotations

from typing import Final

TAGS: Final = [
    {"name": name, "description": description}
    for name, description in (
        ("Sending Resources", "Send to one recipient or to many, by one channel or by routing"),
        ("History Resources", "Status of deliveries, and the history of persons and users"),
        ("Statistics Resources", "Number of deliveries by channel, department and outcome"),
        ("Events", "Status changes of deliveries, and inbound messages, for systems that poll"),
        (
            "Webhooks",
            "Status changes of deliveries, or inbound messages, sent to the calling system",
        ),
        ("Resolving Resources", "Decisions on deliveries with an unknown outcome"),
        ("Contact Settings", "How persons want to be contacted"),
        ("Delegates", "Agents who receive copies of messages to a principal"),
        ("Parties", "Directory entries of persons and organisations, and their personal data"),
        ("Retention", "How long messages are kept, and the log of deletions"),
        ("Configuration", "Settings of municipalities, organisations and departments"),
        ("Holds", "Exemptions from deletion"),
        ("Push Subscriptions", "Devices that receive push messages"),
        ("Receipts", "Delivery reports of providers"),
        ("Tokens", "Access tokens of OAuth 2.0"),
        ("Health", "Health checks"),
        ("API", "The description of this API"),
    )
]
