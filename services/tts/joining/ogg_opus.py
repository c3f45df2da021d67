"""Joins Ogg Opus files (RFC 7845) to one logical stream."""

from __future__ import annotations

from dataclasses import replace

from services.tts.joining.ogg_pages import BEGIN, CAPTURE, CONTINUED, END, NO_PACKET_ENDS, OggPage, read_page

_HEAD, _TAGS = b"OpusHead", b"OpusTags"
_PRE_SKIP_AT = 10
_RATE_HZ = 48000
# Samples of a frame at 48 kHz by the configuration of its packet (RFC 6716, table 2): SILK, hybrid and CELT.
_FRAME_SAMPLES = (*(480, 960, 1920, 2880) * 3, *(480, 960) * 2, *(120, 240, 480, 960) * 4)
_FRAMES_BY_CODE = (1, 2, 2)
_MAX_PACKET_SAMPLES = 5760
_FRAME_COUNT_BITS = 0x3F


class OggOpusJoiner:
    """Passes on the pages of all pieces with one serial number, in one sequence, with positions that go on.

    The joined file has the headers of the first piece. Players that stop at the end of a stream, or take the position
    of the last page for the duration, play and show a chained file wrongly.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._serial: int | None = None
        self._sequence = 0
        self._samples = 0
        """Samples of all packets so far, those before the first audible one included."""
        self._pre_skip_samples = 0
        self._in_headers = True
        self._in_tags = False
        self._sends_headers = True
        """Whether the headers of the current piece are those of the joined stream."""
        self._open_packet_samples = 0
        """Samples of a packet that continues on the next page."""
        self._piece_samples = 0
        self._last_page: OggPage | None = None
        self._cut_samples = 0
        """Samples at the end of the last page that its piece does not play."""

    @property
    def seconds(self) -> float:
        """Duration of the pages so far."""
        return max(0, self._samples - self._pre_skip_samples - self._cut_samples) / _RATE_HZ

    def feed(self, audio: bytes) -> bytes:
        """Return the pages that are complete; the last page of a piece is held back, because it may end the stream."""
        data, position, found = self._pending + audio, 0, []
        while True:
            start = data.find(CAPTURE, position)
            if start < 0:
                position = max(position, len(data) - len(CAPTURE) + 1)
                break
            position = start
            if (read := read_page(data, position)) is None:
                break
            page, position = read
            found.append(self._take(page))
        self._pending = data[position:]
        return b"".join(found)

    def end_piece(self) -> bytes:
        """Return the last page of the piece, which no longer ends the stream; a cut page is dropped."""
        self._pending, self._open_packet_samples, self._piece_samples = b"", 0, 0
        self._in_headers, self._in_tags, self._sends_headers = True, False, self._serial is None
        return self._release_last_page()

    def finish(self) -> bytes:
        """Return the page that ends the stream."""
        if self._serial is None:
            return b""
        if self._last_page is None:
            return self._encode(OggPage(0, self._samples, self._serial, b"", b""), END)
        return self._encode(replace(self._last_page, position=self._samples - self._cut_samples), END)

    def _take(self, page: OggPage) -> bytes:
        """Return what to send for a page of a piece."""
        # Within a piece, too, another stream may follow.
        before = self.end_piece() if page.flags & BEGIN and not self._in_headers else self._release_last_page()
        if self._in_headers and (self._in_tags or page.body.startswith((_HEAD, _TAGS))):
            return before + self._take_header(page)
        self._in_headers = False
        return before + self._take_audio(page)

    def _take_header(self, page: OggPage) -> bytes:
        if page.body.startswith(_HEAD):
            if self._sends_headers:
                self._serial = page.serial
                self._pre_skip_samples = int.from_bytes(page.body[_PRE_SKIP_AT : _PRE_SKIP_AT + 2], "little")
        else:
            # The tags may take several pages; they end their page, and the audio begins on the next one.
            self._in_tags = not page.ends_packet
            self._in_headers = self._in_tags
        return self._encode(page, page.flags & BEGIN) if self._sends_headers else b""

    def _take_audio(self, page: OggPage) -> bytes:
        samples = self._count_ended_samples(page)
        self._samples += samples
        self._piece_samples += samples
        position = self._samples if page.ends_packet else NO_PACKET_ENDS
        placed = replace(page, position=position)
        if not page.flags & END:
            return self._encode(placed, page.flags & CONTINUED)
        # A last page may state a position within its last packet; the rest of it is not played.
        self._cut_samples = min(samples, max(0, self._piece_samples - page.position)) if page.position > 0 else 0
        self._last_page = placed
        return b""

    def _release_last_page(self) -> bytes:
        last, self._last_page, self._cut_samples = self._last_page, None, 0
        return b"" if last is None else self._encode(last, 0)

    def _count_ended_samples(self, page: OggPage) -> int:
        ended = 0
        for part, begins, ends in page.list_packets():
            if begins:
                self._open_packet_samples = count_samples(part)
            if ends:
                ended += self._open_packet_samples
                self._open_packet_samples = 0
        return ended

    def _encode(self, page: OggPage, flags: int) -> bytes:
        serial = page.serial if self._serial is None else self._serial
        # The last page of a piece is held back with its own flags.
        kept = page.flags & CONTINUED | flags
        encoded = replace(page, flags=kept, serial=serial).encode(self._sequence)
        self._sequence += 1
        return encoded


def count_samples(packet: bytes) -> int:
    """Return the duration of an Opus packet in samples at 48 kHz, from its first two bytes; 0 for an empty packet."""
    if not packet:
        return 0
    frame_samples = _FRAME_SAMPLES[packet[0] >> 3]
    code = packet[0] & 3
    if code < len(_FRAMES_BY_CODE):
        return frame_samples * _FRAMES_BY_CODE[code]
    frames = packet[1] & _FRAME_COUNT_BITS if len(packet) > 1 else 0
    return min(frames * frame_samples, _MAX_PACKET_SAMPLES)
