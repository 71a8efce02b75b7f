"""Text for LaTeX."""

from __future__ import annotations

__all__ = ["as_latex"]

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "–": "--",
        "−": "$-$",
        "\n": " ",
    }
)


def as_latex(text: object) -> str:
    r"""Write a text so that LaTeX shows it as it is.

    Examples
    --------
    >>> as_latex("50 % of my_net")
    '50 \\% of my\\_net'
    """
    return str(text).translate(_LATEX)
