"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Buffer, Iterable
from pathlib import Path
from typing import Any

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
