"""Annotations are checked while the tests run: shapes by their named axes, and an int may stand for a float."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
