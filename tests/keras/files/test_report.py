"""The report of what was read."""

from sdgraph.keras.files.report import ImportedLayer, ImportReport


def test_long_models_are_cut():
    report = ImportReport("m.h5", "3.0", [ImportedLayer(f"l{k}", "Dense", 2000) for k in range(100)])
    assert report.parameters == 200_000
    assert "… 40 more layers" in repr(report) and "100 layers with 200,000 parameters" in repr(report)
    assert "40 more rows" in report._repr_html_()


def test_html_is_escaped():
    report = ImportReport("<m>", "3.0", [ImportedLayer("<script>", "Dense", 1)], ["<i>"], ["<p>"])
    html = report._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html and "&lt;i&gt;" in html and "&lt;p&gt;" in html
