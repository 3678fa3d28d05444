"""Tests of physical letters."""
