"""A file is there whole or not at all, and what stopped its writing names it."""

import errno
import json

import pytest

from parallel_transcription.files import check_writable, write_json, write_whole


def test_json_keeps_the_order_of_keys_and_what_is_no_text(tmp_path):
    file = tmp_path / "new" / "one.json"
    write_json(file, {"b": "ä", "a": "half a surrogate \udcff"})
    assert list(json.loads(file.read_text(encoding="utf-8"))) == ["b", "a"]
    assert "ä" in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o644


def test_numbers_that_are_not_finite_are_refused_and_the_old_file_stays(tmp_path):
    file = tmp_path / "one.json"
    write_json(file, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(file, {"a": float("nan")})
    assert json.loads(file.read_text()) == {"a": 1}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_what_stops_the_writing_leaves_the_old_file_and_no_part(tmp_path, error):
    file = tmp_path / "one.csv"
    file.write_text("old")

    def write(part):
        part.write_text("half")
        raise error

    with pytest.raises(type(error)) as told:
        write_whole(file, write)
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]
    assert file.read_text() == "old"
    if isinstance(error, OSError):
        assert told.value.filename == str(file) and told.value.errno == errno.ENOSPC


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as told:
        check_writable(tmp_path / "file" / "runs")
    assert told.value.filename == str(tmp_path / "file" / "runs")
