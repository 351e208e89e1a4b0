"""The page of promises names tests that exist."""

import ast
import re

from project import ROOT

PAGE = ROOT / "docs" / "promises.md"


def test_every_test_that_the_page_names_exists():
    named = re.findall(
        r"`(test_\w+\.py)::(?:(Test\w+)::)?(test_\w+)`", PAGE.read_text(encoding="utf-8")
    )
    assert len(named) > 3
    for file, group, function in named:
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        classes = {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
        body = classes[group] if group else tree.body
        there = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        assert function in there, f"{PAGE.name} names {file}::{function}"


def test_every_promise_names_its_test():
    rows = [
        line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.endswith("| test |")
    ]
    assert [row for row in rows if "`test_" not in row.rsplit("|", 2)[1]] == []
