"""Configuration of channels by unit: municipalities, organisations and departments.

Units override the service's settings member by member (``inheritance``); ``channel_proxy`` picks
the channel instance of a delivery's unit.
"""
