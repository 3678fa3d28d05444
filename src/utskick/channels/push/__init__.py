"""Push channel: browsers over Web Push, apps over Firebase Cloud Messaging."""
