"""Digital mail: Mina Meddelanden, version 3 of its schemas.

The content of a delivery, which other channels hand over too (a letter's ``Leg``). All are JSON,
and all may be missing:

- ``subject``: at most 255 characters; without it ``_subject``;
- ``contentType``: ``text/plain`` (the default) or ``text/html``; ``body``: the text as it is, or
the HTML in BASE64 (UTF-8 inside);
- ``sender``: ``{"supportInfo": {"text", "emailAddress"?, "phoneNumber"?, "url"?}}``; without it
``_supportInfo`` of the same
  form;
- ``department``, ``party`` (``{"externalReferences": [{"key", "value"}]}``), ``priority``: kept for
history, not sent;
- ``attachments``: ``[{"filename", "contentType"?, "digest"}]``, the digest in hex as
``Attachment.digest``; always PDF;
- ``headerReference``, ``officialMatter`` (``{"id"?, "eventId"?, "precedingEventId"?, "subject"?,
"eventType"?, "status"?}``), ``reply``,
  ``receiptRequest``: go along where they are given;
- ``_organization``: the sending organisation's number, 10 digits.

``_subject``, ``_supportInfo`` and ``_organization`` are what the settings say: ``plan`` and
``completed`` write them where they are missing.

The recipient is ``Recipient(destination="", party_id=...)``: who it is, and where the mailbox is,
``prepare`` finds out.
"""
