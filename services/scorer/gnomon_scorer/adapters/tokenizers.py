"""A bundle's `tokenizer.json`."""

from pathlib import Path

from gnomon.errors import VersionUnloadableError
from gnomon.tokenizing import JsonTokenizer, TokenizerError


class TokenizerFiles:
    """Opens tokenizers; see the port."""

    def load(self, file: Path) -> JsonTokenizer:
        try:
            return JsonTokenizer.read(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise VersionUnloadableError(f"The tokenizer cannot be read: {error}") from error
        except TokenizerError as error:
            raise VersionUnloadableError(str(error)) from error
