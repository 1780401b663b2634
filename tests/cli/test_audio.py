"""Sound files: samples survive writing and reading; damaged files, and files that cannot be written."""

import os
import struct
import sys

import numpy as np
import pytest
from scipy.io import wavfile

from sigrnn.cli import audio

soundfile = pytest.importorskip("soundfile")

BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}


def values(rng, subtype, shape):
    """Return samples that the subtype holds exactly, its two ends among them."""
    if subtype not in BITS:
        return rng.standard_normal(shape).astype("f4" if subtype == "FLOAT" else "f8").astype(float)
    top = 2 ** (BITS[subtype] - 1)
    x = rng.integers(-top, top, shape) / top
    x[0], x[1] = -1.0, (top - 1) / top
    return x


def write(path, x, subtype="PCM_16", rate=8000, size=100):
    with audio.open_writer(path, rate, x.shape[1], subtype, len(x)) as writer:
        for at in range(0, len(x), size):
            writer.write(x[at : at + size])
    return writer


def read(path, size=77):
    with audio.open_reader(path) as reader:
        blocks = list(reader.blocks(size))
    assert all(len(block) == size for block in blocks[:-1])
    return np.concatenate([np.empty((0, reader.channels)), *blocks]), reader


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("subtype", [*BITS, "FLOAT", "DOUBLE"])
def test_round_trip(tmp_path, subtype, channels):
    x = values(np.random.default_rng(1), subtype, (1001, channels))
    writer = write(tmp_path / "a.wav", x, subtype, rate=11127)
    y, reader = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(y, x)
    assert (reader.samplerate, reader.channels, reader.frames, reader.subtype) == (11127, channels, 1001, subtype)
    assert (writer.subtype, writer.clipped, reader.note) == (subtype, 0, "")
    assert os.listdir(tmp_path) == ["a.wav"]


def test_integers_on_disk(tmp_path):
    """The numbers in the file are the samples times 32768, as an independent reader sees them."""
    write(tmp_path / "a.wav", np.array([[-1.0], [0.5], [1.0 / 32768], [32767 / 32768]]))
    rate, data = wavfile.read(tmp_path / "a.wav")
    assert rate == 8000
    assert data.tolist() == [-32768, 16384, 1, 32767]


@pytest.mark.parametrize("length", [0, 1, 7])
def test_short_files_and_odd_sizes(tmp_path, length):
    x = values(np.random.default_rng(3), "FLOAT", (max(length, 2), 1))[:length]
    write(tmp_path / "float.wav", x, "FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "float.wav")[0], x)
    x = values(np.random.default_rng(3), "PCM_U8", (max(length, 2), 1))[:length]
    write(tmp_path / "bytes.wav", x, "PCM_U8")  # an odd number of bytes wants a pad byte
    np.testing.assert_array_equal(read(tmp_path / "bytes.wav")[0], x)
    assert os.path.getsize(tmp_path / "bytes.wav") % 2 == 0


@pytest.mark.parametrize(("name", "subtype", "kept"), [("a.flac", "PCM_24", "PCM_24"), ("a.aiff", "PCM_U8", "PCM_U8")])
def test_other_formats(tmp_path, name, subtype, kept):
    x = values(np.random.default_rng(4), subtype, (500, 2))
    assert write(tmp_path / name, x, subtype).subtype == kept
    np.testing.assert_array_equal(read(tmp_path / name)[0], x)


@pytest.mark.parametrize(("subtype", "kept"), [("FLOAT", "PCM_24"), ("PCM_32", "PCM_24"), ("PCM_U8", "PCM_S8")])
def test_nearest_subtype_where_the_format_lacks_one(tmp_path, subtype, kept):
    assert write(tmp_path / "a.flac", np.zeros((10, 1)), subtype).subtype == kept


def test_lossy_format_is_near(tmp_path):
    x = 0.3 * np.sin(np.arange(8000) / 20)[:, np.newaxis]
    write(tmp_path / "a.ogg", x)
    assert np.max(np.abs(read(tmp_path / "a.ogg")[0] - x)) < 0.05


def test_long_wav_files_get_a_64_bit_header(tmp_path):
    x = np.array([[0.25], [-0.5]])
    with audio.open_writer(tmp_path / "a.wav", 8000, 1, "PCM_16", frames=2**31) as writer:
        writer.write(x)
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], x)


# Rounding, clipping


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_rounding_is_to_nearest(bits):
    one = 2.0 ** (1 - bits)
    block = one * np.array([[0.49], [0.51], [-0.49], [-0.51], [1.4], [-1.6]])
    integers, clipped = audio.to_integers(block, bits)
    assert (integers[:, 0] >> (32 - bits)).tolist() == [0, 1, 0, -1, 1, -2]
    assert clipped == 0


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_clipping_is_counted(bits):
    top = 2 ** (bits - 1)
    integers, clipped = audio.to_integers(np.array([[1.0, -1.0], [7.0, -7.0], [1e300, (top - 1) / top]]), bits)
    assert (integers >> (32 - bits)).tolist() == [[top - 1, -top], [top - 1, -top], [top - 1, top - 1]]
    assert clipped == 4


def test_writer_counts_over_blocks(tmp_path):
    assert write(tmp_path / "a.wav", np.linspace(-2, 2, 401)[:, np.newaxis]).clipped == 201
    y, _ = read(tmp_path / "a.wav")
    assert (y.min(), y.max()) == (-1.0, 32767 / 32768)


def test_float_files_do_not_clip(tmp_path):
    x = np.array([[3.5], [-8.25]])
    assert write(tmp_path / "a.wav", x, "FLOAT").clipped == 0
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], x)


# What goes wrong


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x24\0\0\0WAVE", b"hello, world", bytes(5000)])
def test_rubbish_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(audio.AudioError, match=r"cannot read .*a\.wav: .") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(audio.AudioError, match="no such file"):
        audio.open_reader(tmp_path / "a.wav")
    with pytest.raises(audio.AudioError, match="not a file"):
        audio.open_reader(tmp_path)
    (tmp_path / "c.wav").mkdir()
    for name, message in (("b/a.wav", "no such folder"), ("c.wav", "not a regular file")):
        with pytest.raises(audio.AudioError, match=message):
            write(tmp_path / name, np.zeros((5, 1)))


def test_without_soundfile_the_install_line_is_given(tmp_path, monkeypatch):
    write(tmp_path / "a.wav", np.zeros((5, 1)))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for call in (lambda: audio.open_reader(tmp_path / "a.wav"), lambda: write(tmp_path / "b.wav", np.zeros((5, 1)))):
        with pytest.raises(audio.AudioError, match="sound files need the soundfile package: pip install soundfile"):
            call()


def test_unknown_extension(tmp_path):
    with pytest.raises(audio.AudioError, match=r"no audio format is called \.foo"):
        write(tmp_path / "a.foo", np.zeros((5, 1)))
    with pytest.raises(audio.AudioError, match=r"o5: it needs an extension, such as o5\.wav"):
        write(tmp_path / "o5", np.zeros((5, 1)))


@pytest.mark.parametrize("riff", [0, 36, None])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_recorder_that_died(tmp_path, subtype, riff):
    """The header announces 0 bytes, and the samples are there."""
    x = values(np.random.default_rng(6), subtype, (9600, 1))
    write(tmp_path / "a.wav", x, subtype)
    whole = bytearray((tmp_path / "a.wav").read_bytes())
    at = whole.index(b"data") + 4
    whole[at : at + 4] = bytes(4)
    if riff is not None:
        whole[4:8] = riff.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(whole)
    y, reader = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(y[:9600], x)
    assert len(y) < 9700  # chunks after the samples look like samples
    assert "was not closed properly: its header announces 0 bytes" in reader.note


def test_an_empty_recording_with_tags_is_empty(tmp_path):
    write(tmp_path / "a.wav", np.zeros((0, 1)))
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole + b"LIST\x04\0\0\0abcd")
    y, reader = read(tmp_path / "a.wav")
    assert (len(y), reader.note) == (0, "")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_refused_with_its_place(tmp_path, wrong):
    x = values(np.random.default_rng(7), "FLOAT", (1000, 2))
    x[300, 1] = x[400, 0] = wrong
    soundfile.write(tmp_path / "a.wav", x, 8000, "FLOAT")
    kind = "NaN" if np.isnan(wrong) else "infinite"
    with pytest.raises(audio.AudioError, match=rf"sample 300 \(0\.0375 s\) of channel 2 is {kind}; --nan zero"):
        read(tmp_path / "a.wav")
    with audio.open_reader(tmp_path / "a.wav") as reader:
        y = np.concatenate(list(reader.blocks(77, zero=True)))
    x[300, 1] = x[400, 0] = 0.0
    np.testing.assert_array_equal(y, x)
    assert reader.zeroed == 2
    with pytest.raises(audio.AudioError, match=rf"cannot write .*: sample 3 .* of channel 1 is {kind}"):
        write(tmp_path / "b.wav", np.array([[0.0], [0.0], [0.0], [wrong]]), size=2)
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.w64", "a.rf64", "a.voc", "a.ogg"])
def test_files_cut_in_half_are_read_with_a_note(tmp_path, name):
    x = values(np.random.default_rng(8), "PCM_16", (100_000, 1)) / 4
    write(tmp_path / name, x)
    whole = (tmp_path / name).read_bytes()
    assert read(tmp_path / name)[1].note == ""
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    y, reader = read(tmp_path / name)
    assert 40_000 < len(y) <= 50_000
    assert reader.note.startswith(f"{tmp_path / name} is cut short: ")


def test_mp3_goes_into_a_wav_file_as_integers(tmp_path):
    if "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile has no MP3")
    assert write(tmp_path / "a.wav", np.zeros((50, 1)), "MPEG_LAYER_III").subtype == "PCM_16"
    assert write(tmp_path / "a.mp3", np.zeros((5000, 1)), "MPEG_LAYER_III", rate=48000).subtype == "MPEG_LAYER_III"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_need_not_be_text(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"a\xff\xe9.wav")
    x = values(np.random.default_rng(9), "PCM_16", (50, 1))
    write(os.fsdecode(path), x)
    np.testing.assert_array_equal(read(os.fsdecode(path))[0], x)
    assert os.listdir(os.fsencode(tmp_path)) == [b"a\xff\xe9.wav"]


def test_no_channels(tmp_path):
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 52, b"WAVE", b"fmt ", 16, 1, 0, 8000, 0, 0, 16)
    (tmp_path / "a.wav").write_bytes(header + struct.pack("<4sI", b"data", 16) + bytes(16))
    with pytest.raises(audio.AudioError, match=r"cannot read .*a\.wav: ."):
        audio.open_reader(tmp_path / "a.wav")


def test_truncated_flac(tmp_path):
    write(tmp_path / "a.flac", values(np.random.default_rng(5), "PCM_16", (20000, 1)))
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(audio.AudioError, match=r"a\.flac"):
        read(tmp_path / "a.flac")


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"old")

    def fail():
        with audio.open_writer(tmp_path / "a.wav", 8000, 1) as writer:
            writer.write(np.zeros((100, 1)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path) == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_is_followed(tmp_path):
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    write(tmp_path / "link.wav", np.zeros((5, 1)))
    assert (tmp_path / "link.wav").is_symlink()
    assert len(read(tmp_path / "a.wav")[0]) == 5


def test_full_disk(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(audio.AudioError, match="cannot write"):
            write(tmp_path / "a.wav", np.zeros((100_000, 1)), size=50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
