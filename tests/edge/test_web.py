import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported(module: str) -> set[str]:
    """What importing a module of ours imports at once, by its source."""
    parts = ROOT.joinpath(*module.split("."))
    file = parts / "__init__.py" if parts.is_dir() else parts.with_suffix(".py")
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names.add(base)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def is_ours(name: str) -> bool:
    """True for a module of this package, and not for a name in one."""
    path = ROOT.joinpath(*name.split("."))
    return name.startswith("appliance") and (
        path.is_dir() or path.with_suffix(".py").is_file()
    )


def test_a_start_does_not_wait_for_quart() -> None:
    """It takes 0.2 s and 8 MB, and no mail needs it."""
    seen: set[str] = set()
    waiting = {"appliance.serve"}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        names = imported(module)
        seen |= {name for name in names if not is_ours(name)}
        waiting |= {name for name in names if is_ours(name)} - seen
    assert "appliance.edge.app" in seen
    assert "appliance.edge.web" not in seen
    assert not any(name.partition(".")[0].startswith("quart") for name in seen)
