"""BERT (Devlin et al., 2019) in any size and language, and models with its layers, such as MiniLM or SciBERT."""

from swissbert.family.member import Classifier, Member

BERT = Member(
    title="BERT",
    model="BertModel",
    prefix="bert.",
    classifier=Classifier("BertForSequenceClassification"),
    keys={
        "vocab_size": "vocab_size",
        "hidden_size": "hidden_size",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "token_types": "type_vocab_size",
        "norm_eps": "layer_norm_eps",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "initializer_range": "initializer_range",
        "activation": "hidden_act",
    },
    outer={
        "embeddings.word": "embeddings.word_embeddings",
        "embeddings.position": "embeddings.position_embeddings",
        "embeddings.token_type": "embeddings.token_type_embeddings",
        "embeddings.norm": "embeddings.LayerNorm",
        "pooler": "pooler.dense",
    },
    layer="encoder.layer.{}.",
    inner={
        "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention_out": ("attention.output.dense",),
        "attention_norm": ("attention.output.LayerNorm",),
        "up": ("intermediate.dense",),
        "down": ("output.dense",),
        "norm": ("output.LayerNorm",),
    },
    fixed={
        "position_embedding_type": ("absolute", None),
        "is_decoder": (False, None),
        "add_cross_attention": (False, None),
    },
    tokenizers=("BertTokenizer",),
)
