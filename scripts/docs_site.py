"""Hooks of mkdocs: the site is made of the files as they lie in the repository, where their links hold.

MkDocs knows one folder of pages. Runbooks, README and SECURITY.md lie outside of docs/, where people look
for them, and pages link to them by relative paths; so the pages are collected here instead of copied.
"""

import re
from pathlib import Path, PurePosixPath

from markdown import Markdown
from markdown.extensions import Extension
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "docs/**/*.md", "alerts/runbooks/*.md", "dashboards/README.md")
PICTURES = ("docs/**/*.png",)
RELATIVE_LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")


class TwoSpaces(Extension):
    """Lists nested by two or three spaces, as CommonMark reads them; Python-Markdown wants four."""

    def extendMarkdown(self, md: Markdown) -> None:  # the library's name
        md.tab_length = 2
        md.build_parser()  # its parts took the former length; so this extension comes first


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Return the configuration with the runbooks in the navigation, by name, as an alert names them."""
    config.markdown_extensions.insert(0, TwoSpaces())
    runbooks = sorted(ROOT.glob("alerts/runbooks/*.md"))
    config.nav.append({"Runbooks": [{each.stem: _name(each)} for each in runbooks]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the files of the repository that are pages, and their pictures."""
    theme = [each for each in files if each.src_dir != config.docs_dir]
    found = {each for pattern in (*PAGES, *PICTURES) for each in ROOT.glob(pattern)}
    return Files([*theme, *(_file(each, config) for each in sorted(found))])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page's text; links to what is in the repository and is no page go to the repository's host.

    A link to nothing stays as it is: MkDocs finds it, and a strict build fails.
    """
    folder = (ROOT / page.file.src_uri).parent

    def elsewhere(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        if not target.exists() or files.get_file_from_path(_name(target)):
            return link[0]
        return f"]({config.extra['repository']}/{'tree' if target.is_dir() else 'blob'}/main/{_name(target)}"

    return RELATIVE_LINK.sub(elsewhere, markdown)


def _file(path: Path, config: MkDocsConfig) -> File:
    return File(_name(path), str(ROOT), config.site_dir, config.use_directory_urls)


def _name(path: Path) -> str:
    return str(PurePosixPath(path.relative_to(ROOT)))
