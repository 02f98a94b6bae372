"""Drills: the program under attack, outage and change, each with a bar and what was measured."""
