"""The table of messages is that of the code, and each of them is produced by a test."""

from tests.errors.table import ROOT, messages, page, untested


def test_the_table_is_made_from_the_code_as_it_is() -> None:
    mend = "python -m tests.errors.table > docs/errors.md"
    assert (ROOT / "docs" / "errors.md").read_text() == page(), mend


def test_a_message_is_read_with_what_is_to_be_done_about_it() -> None:
    known = {message.what: message for message in messages()}
    found = known["everybody may write in this folder, and so have your tasks run anything"]
    assert found.module == "hpc.trust"
    assert found.mend.startswith("Call chmod -R o-w on it, or set …=1")


def test_no_message_is_without_a_test_that_produces_it() -> None:
    assert [f"{message.module}: {message.what}" for message in untested()] == []
