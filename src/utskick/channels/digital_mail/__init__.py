"""Digital mail channel: Mina Meddelanden, version 3 of its schemas.

The content of a delivery, which other channels hand over too (a letter's ``Leg``). All are JSON,
and all may be missing:

- ``subject``: at most 255 characters; default ``_subject``;
- ``contentType``: ``text/plain`` (default) or ``text/html``; ``body``: the text, or UTF-8 HTML in
  base64;
- ``sender``: ``{"supportInfo": {"text", "emailAddress"?, "phoneNumber"?, "url"?}}``; default
  ``_supportInfo`` of the same form;
- ``department``, ``party`` (``{"externalReferences": [{"key", "value"}]}``), ``priority``: stored
  for history, not sent;
- ``attachments``: ``[{"filename", "contentType"?, "digest"}]``, always PDF, with
  ``Attachment.digest`` in hex;
- ``headerReference``, ``officialMatter`` (``{"id"?, "eventId"?, "precedingEventId"?, "subject"?,
  "eventType"?, "status"?}``), ``reply``, ``receiptRequest``: passed on;
- ``_organization``: number of the sending organisation, 10 digits.

``_subject``, ``_supportInfo`` and ``_organization`` hold defaults of the settings, filled in by
``plan`` and ``completed``.

The recipient is ``Recipient(destination="", party_id=...)``; ``prepare`` looks up the person and
the mailbox.
"""
