"""Writes every generated file: ``python -m tools``."""

from tools.generated import GENERATORS


def main() -> None:
    """Run the generators one after the other, and name each file that has changed."""
    for files in GENERATORS.values():
        for path, text in files().items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"wrote {path}")


if __name__ == "__main__":
    main()
