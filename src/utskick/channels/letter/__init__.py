"""Letter channel: digital mail where possible, else snail mail."""
