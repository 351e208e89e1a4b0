"""Write a trained network as a CTranslate2 model folder that faster-whisper loads."""

import json
from pathlib import Path

import numpy as np
import torch
from ctranslate2.specs import WhisperSpec
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import nn

from training.network import GUIDED_HEADS_NEXT, MEL_BANDS, Attention, FeedForward, Network
from training.tokens import ENGLISH, GERMAN, SPECIAL_TOKENS, TEXT_TOKENS, TOKENS

PREPROCESSOR = {
    "chunk_length": 30,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": MEL_BANDS,
    "hop_length": 160,
    "n_fft": 400,
    "processor_class": "WhisperProcessor",
    "sampling_rate": 16000,
}


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().contiguous().numpy()


def _copy_norm(spec, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)


def _copy_linear(spec, *linears: nn.Linear) -> None:
    """Copy one linear map, or several with the same input as one."""
    spec.weight = _array(torch.cat([linear.weight for linear in linears]))
    spec.bias = _array(
        torch.cat(
            [
                torch.zeros(len(linear.weight)) if linear.bias is None else linear.bias
                for linear in linears
            ]
        )
    )


def _copy_self_attention(spec, attention: Attention, norm: nn.LayerNorm) -> None:
    _copy_norm(spec.layer_norm, norm)
    _copy_linear(spec.linear[0], attention.query, attention.key, attention.value)
    _copy_linear(spec.linear[1], attention.out)


def _copy_cross_attention(spec, attention: Attention, norm: nn.LayerNorm) -> None:
    _copy_norm(spec.layer_norm, norm)
    _copy_linear(spec.linear[0], attention.query)
    _copy_linear(spec.linear[1], attention.key, attention.value)
    _copy_linear(spec.linear[2], attention.out)


def _copy_feed_forward(spec, feed_forward: FeedForward, norm: nn.LayerNorm) -> None:
    _copy_norm(spec.layer_norm, norm)
    _copy_linear(spec.linear_0, feed_forward.expand)
    _copy_linear(spec.linear_1, feed_forward.contract)


def to_spec(network: Network) -> WhisperSpec:
    """Return the network as CTranslate2 describes models, in float32."""
    shape = network.shape
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    encoder, decoder = network.encoder, network.decoder
    for target, source in (
        (spec.encoder.conv1, encoder.conv1), (spec.encoder.conv2, encoder.conv2)
    ):  # fmt: skip
        target.weight, target.bias = _array(source.weight), _array(source.bias)
    spec.encoder.position_encodings.encodings = _array(encoder.positions)
    _copy_norm(spec.encoder.layer_norm, encoder.norm)
    for target, source in zip(spec.encoder.layer, encoder.layers, strict=True):
        _copy_self_attention(target.self_attention, source.attention, source.attention_norm)
        _copy_feed_forward(target.ffn, source.feed_forward, source.feed_forward_norm)
    spec.decoder.scale_embeddings = False
    spec.decoder.embeddings.weight = _array(decoder.embedding.weight)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.decoder.position_encodings.encodings = _array(decoder.positions)
    _copy_norm(spec.decoder.layer_norm, decoder.norm)
    for target, source in zip(spec.decoder.layer, decoder.layers, strict=True):
        _copy_self_attention(target.self_attention, source.attention, source.attention_norm)
        _copy_cross_attention(target.attention, source.cross_attention, source.cross_attention_norm)
        _copy_feed_forward(target.ffn, source.feed_forward, source.feed_forward_norm)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [ENGLISH, GERMAN]
    spec.config.alignment_heads = [
        [shape.decoder_layers - 1, head] for head in range(GUIDED_HEADS_NEXT)
    ]
    spec.register_vocabulary(TOKENS)
    return spec


def make_tokenizer() -> Tokenizer:
    """Return a tokenizer with one token a word, whose ids are those of tokens.py."""
    tokenizer = Tokenizer(
        models.WordLevel({token: id_ for id_, token in enumerate(TEXT_TOKENS)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[^ ]+| +"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    assert all(tokenizer.token_to_id(token) == id_ for id_, token in enumerate(TOKENS))
    return tokenizer


def export(network: Network, folder: Path, quantization: str = "int8") -> None:
    """Write model.bin, config.json, vocabulary.json, tokenizer.json, preprocessor_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = to_spec(network)
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    make_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")
