"""What a measured function shows of itself; the engines test what they measure."""

from html.parser import HTMLParser

from sdgraph.run.profiling import PartTime, Profile

MEASURED = Profile(
    (
        PartTime("region of 26 ops", 2.5e-4, 620_000, 2.48e9, 0.248),
        PartTime("numpy <linalg.matmul>", 7.5e-4, 1_500_000, 2e9, 0.2),
    ),
    1e10,
)

TABLE = """\
part                     time  share   moves  bandwidth  of roofline
---------------------  ------  -----  ------  ---------  -----------
region of 26 ops       250 µs  25.0%  620 kB  2.48 GB/s          25%
numpy <linalg.matmul>  750 µs  75.0%  1.5 MB     2 GB/s          20%
---------------------  ------  -----  ------  ---------  -----------
2 parts in 1 ms
memory bandwidth of this machine, the roofline: 10 GB/s"""


def test_it_is_a_table_wherever_it_is_shown():
    assert repr(MEASURED) == str(MEASURED) == TABLE


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th", "b"):
            self.rows[-1].append(data)


def test_a_notebook_has_the_same_table():
    page = Cells()
    page.feed(MEASURED._repr_html_())
    lines = TABLE.splitlines()
    assert [" ".join(row).split() for row in page.rows] == [line.split() for line in (lines[0], *lines[2:4])]
    assert "2 parts in 1 ms" in MEASURED._repr_html_()


def test_a_function_without_parts_has_an_empty_table():
    nothing = Profile((), 1e10)
    assert repr(nothing).splitlines()[-2] == "0 parts in 0 ns"
