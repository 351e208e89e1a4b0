"""The network: Whisper's architecture, small, with two helpers that only training uses."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from training.tokens import FIRST_TIMESTAMP, TIMESTAMPS, TOKEN_COUNT, UNKNOWN

MEL_BANDS = 80
ENCODER_POSITIONS = 1500  # 20 ms each: 30 seconds
DECODER_POSITIONS = 448

# Frame labels of the encoder helper: a word id, or this for no word.
NO_WORD = UNKNOWN

# Heads that training teaches where to look: those of the decoder's last layer at the word that
# comes next, those of its first layer at the word just written, so that it keeps its place.
GUIDED_HEADS_NEXT = 2
GUIDED_HEADS_WRITTEN = 1


@dataclass(frozen=True)
class Shape:
    """The sizes of a network."""

    width: int = 128
    heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 2


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """Return Whisper's position encodings: sines in the first half, cosines in the second."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
    angles = torch.arange(positions)[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head attention; as in Whisper the key has no bias."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x, memory=None, causal=False, guided_heads=0):
        """Attend from x to memory (or to x itself).

        Returns the output and, for the first guided_heads heads, the logarithms of the
        attention weights, shape (batch, guided_heads, len(x), len(memory)), else None.
        """
        batch, _, width = x.shape
        memory = x if memory is None else memory

        def split(y):
            return y.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(memory)), split(self.value(memory))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        log_weights = None
        if guided_heads:
            scores = (
                query[:, :guided_heads].float()
                @ key[:, :guided_heads].float().transpose(-1, -2)
                / math.sqrt(width // self.heads)
            )
            log_weights = scores.log_softmax(-1)
        return self.out(mixed.transpose(1, 2).reshape(batch, -1, width)), log_weights


class FeedForward(nn.Module):
    """The two linear maps after each attention."""

    def __init__(self, width: int):
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.contract(functional.gelu(self.expand(x)))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention, self.attention_norm = Attention(width, heads), nn.LayerNorm(width)
        self.feed_forward, self.feed_forward_norm = FeedForward(width), nn.LayerNorm(width)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))[0]
        return x + self.feed_forward(self.feed_forward_norm(x))


class DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention, self.attention_norm = Attention(width, heads), nn.LayerNorm(width)
        self.cross_attention = Attention(width, heads)
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feed_forward, self.feed_forward_norm = FeedForward(width), nn.LayerNorm(width)

    def forward(self, x, memory, guided_heads=0):
        x = x + self.attention(self.attention_norm(x), causal=True)[0]
        mixed, log_weights = self.cross_attention(
            self.cross_attention_norm(x), memory, guided_heads=guided_heads
        )
        x = x + mixed
        return x + self.feed_forward(self.feed_forward_norm(x)), log_weights


class Encoder(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv1d(MEL_BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positions", sinusoids(ENCODER_POSITIONS, width))
        self.layers = nn.ModuleList(
            EncoderLayer(width, shape.heads) for _ in range(shape.encoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        for layer, step in zip(self.layers, (5, 8), strict=False):
            _look_at_fixed_distances(layer.attention, step)

    def forward(self, features, first_positions):
        """Encode features of shape (batch, 80, 2 x positions).

        first_positions, shape (batch,): where in the 30 seconds each shorter window begins.
        """
        x = functional.gelu(self.conv1(features))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.positions[first_positions[:, None] + torch.arange(x.shape[1])]
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


@torch.no_grad()
def _look_at_fixed_distances(attention: Attention, step: int) -> None:
    """Start each head looking at a fixed distance from its own place.

    Speech is local, and learning that from position encodings alone takes a small model long.
    For a frequency w, sin and cos of the key's position and sin and cos of the query's, turned
    by w times the distance, have a dot product that peaks where the key is that far away.
    """
    width = attention.query.weight.shape[0]
    head_width, half_width = width // attention.heads, width // 2
    strength, rest = 1.1, 0.1
    query, key = attention.query.weight, attention.key.weight
    for head in range(attention.heads):
        distance = (head - (attention.heads - 1) / 2) * step
        for index in range(head_width // 2):
            channel = 4 + index  # the very fastest encodings say little about neighbourhood
            turn = distance * math.exp(-math.log(10000) / (half_width - 1) * channel)
            sine, cosine = channel, channel + half_width
            row_sine = head * head_width + index
            row_cosine = row_sine + head_width // 2
            for weight in (query, key):
                weight[[row_sine, row_cosine]] *= rest
            key[row_sine, sine] += strength
            key[row_cosine, cosine] += strength
            query[row_sine, sine] += strength * math.cos(turn)
            query[row_sine, cosine] += strength * math.sin(turn)
            query[row_cosine, cosine] += strength * math.cos(turn)
            query[row_cosine, sine] -= strength * math.sin(turn)


class Decoder(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.width
        self.embedding = nn.Embedding(TOKEN_COUNT, width)
        self.positions = nn.Parameter(0.1 * sinusoids(DECODER_POSITIONS, width))
        with torch.no_grad():
            # Timestamps start as neighbours of each other, in time.
            self.embedding.weight[FIRST_TIMESTAMP:] = sinusoids(TIMESTAMPS, width)
            self.embedding.weight *= width**-0.5
        self.layers = nn.ModuleList(
            DecoderLayer(width, shape.heads) for _ in range(shape.decoder_layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens, memory):
        """Return states of shape (batch, tokens, width) and the guided heads' log weights.

        The latter are two arrays: of the first layer's guided heads and of the last layer's.
        """
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        last = len(self.layers) - 1
        log_weights = {}
        for index, layer in enumerate(self.layers):
            guided = {last: GUIDED_HEADS_NEXT, 0: GUIDED_HEADS_WRITTEN}.get(index, 0)
            x, log_weights[index] = layer(x, memory, guided)
        return self.norm(x), log_weights[0], log_weights[last]

    def scores(self, states):
        """Return the score of every token for states of shape (..., width)."""
        return functional.linear(states, self.embedding.weight)


class Network(nn.Module):
    """Encoder and decoder, and the helper that names the word of each 20 ms in training."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.frame_words = nn.Linear(shape.width, NO_WORD + 1)  # not exported
