"""The cells of a table that a notebook shows."""

from html.parser import HTMLParser


class _Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th", "b"):
            self.rows[-1][-1] += data


def cells(page):
    """Per row the text of each cell."""
    parser = _Cells()
    parser.feed(page)
    return parser.rows
