"""Layers of networks: correlation unless `flip=True`, of any rank, in both layouts."""

from __future__ import annotations

from ._conv import conv

__all__ = ["conv"]
