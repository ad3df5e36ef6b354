"""The static files of a release: named by their digests, complete, and small."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

PRODUCTION_STORAGE = "whitenoise.storage.CompressedManifestStaticFilesStorage"


@pytest.fixture
def collected(tmp_path: Path, settings: Any) -> Path:
    """Where `collectstatic` put everything, as the image is built; a reference that leads nowhere fails here."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": PRODUCTION_STORAGE}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_a_release_has_every_file_under_a_name_that_changes_with_it(collected: Path) -> None:
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert re.fullmatch(r"site\.[0-9a-f]{12}\.css", names["site.css"])
    assert all((collected / name).is_file() for name in names.values())


def test_every_file_that_a_page_names_exists() -> None:
    pages = [*Path("templates").rglob("*.html"), *Path("config/templatetags").glob("*.py")]
    named = {name for page in pages for name in re.findall(r"{% static ['\"]([^'\"]+)['\"]", page.read_text())}
    assert named
    assert {name for name in named if finders.find(name) is None} == set()


def test_modules_import_each_other_by_names_that_the_release_has(collected: Path) -> None:
    """A browser asks for the imported name as it stands, so it must be there without a digest too."""
    for module in (collected / "js").glob("*.js"):
        for name in re.findall(r"""from\s+["'](\./[^"']+)["']""", module.read_text(encoding="utf-8")):
            assert (module.parent / name).is_file(), f"{module.name} imports {name}"
