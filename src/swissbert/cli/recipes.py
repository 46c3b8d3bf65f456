"""The command ``recipes``: the recipes that ship."""


def recipes() -> None:
    """List the recipes that ship."""
    from swissbert.config import recipes as shipped

    for name, about in shipped().items():
        print(f"{name:20} {about}")
