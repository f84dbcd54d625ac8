"""What is installed, what is missing for which stage, export format or engine, and the command that mends it."""

from __future__ import annotations

from devices.doctor.environment import Environment
from devices.doctor.examination import Ability, Package, Report, Tool, examine
from devices.doctor.requirements import Requirement, Requirements, read_requirements

__all__ = [
    "Ability",
    "Environment",
    "Package",
    "Report",
    "Requirement",
    "Requirements",
    "Tool",
    "examine",
    "read_requirements",
]
