"""Hostile HTTP/1.1: tables of octets, each with the answer that is wanted and what the upstream may see of it."""
