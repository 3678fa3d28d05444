"""The API. Translates; decides nothing."""
