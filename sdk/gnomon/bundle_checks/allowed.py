"""What graphs and tokenizers may be made of, unless a policy says otherwise.

Operators of transformers that classify, and of their quantised forms: no control flow, so that no graph
loops or nests, nothing random, nothing that reads or makes text, no image or audio.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Standard operators of ONNX; those of other domains would be named `domain:Op`.
OPERATORS = _names(
    """
    Abs Add And ArgMax ArgMin BitShift BitwiseAnd Cast CastLike Ceil Clip Concat Constant
    ConstantOfShape Cos CumSum DequantizeLinear Div DynamicQuantizeLinear Equal Erf Exp Expand Flatten
    Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual HardSwish
    Identity IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul
    MatMulInteger Max Mean Min Mod Mul Neg Not Or Pow QLinearMatMul QuantizeLinear RMSNormalization
    Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape RotaryEmbedding Round ScatterElements ScatterND Shape Sigmoid Sign
    SimplifiedLayerNormalization Sin Size Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Swish Tanh
    Tile TopK Transpose Trilu Unsqueeze Where Xor com.microsoft:MatMulNBits
    """
)

LAYERS = _names(
    """
    Parameter Result Const Abs Add BitwiseAnd Broadcast Ceiling Clamp Concat Convert ConvertLike Cos
    CumSum Divide Equal Erf Exp FakeQuantize Floor Gather GatherElements GatherND Gelu Greater
    GreaterEqual HSwish IsInf IsNaN Less LessEqual Log LogSoftmax LogicalAnd LogicalNot LogicalOr
    LogicalXor MVN MatMul Maximum Minimum Mod FloorMod Multiply Negative NonZero NormalizeL2 NotEqual
    Power RMS Range ReLU ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape RoPE Round
    ScatterElementsUpdate ScatterNDUpdate ScatterUpdate ScaledDotProductAttention Select ShapeOf Sigmoid
    Sign Sin Slice SoftMax SoftPlus Softmax Split Sqrt SquaredDifference Squeeze StridedSlice Subtract
    Swish Tanh Tile TopK Transpose Unsqueeze VariadicSplit
    """
)

# Regular expressions of well-known tokenizers. Others must be of the simple kind; see `patterns`.
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_NO_LETTERS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = frozenset(
    {
        # Llama 3 and cl100k; Qwen 2, 2.5 and 3; o200k
        rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_NO_LETTERS}",
        rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_NO_LETTERS}",
        # GPT-2, spelled out
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        # SentencePiece models that were converted: runs of spaces
        r" {2,}",
        r"\s+",
    }
)
