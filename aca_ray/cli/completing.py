"""completion: scripts that complete command lines in a shell, generated from the parser."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator

from aca_ray.cli.grammar import arguments_of, named_by, repeats, takes_value, verbs_of, words_of
from aca_ray.cli.options import Verbs


def add_completion(verbs: Verbs) -> None:
    """Add the verb."""
    completion = verbs.add_parser(
        "completion", help="print a script that completes command lines; for bash: source <(aca-ray completion bash)"
    )
    completion.add_argument("shell", metavar="SHELL", choices=tuple(_SCRIPTS), help=f"one of {', '.join(_SCRIPTS)}")
    completion.set_defaults(verb=_completion)


def _completion(options: argparse.Namespace) -> int:
    from aca_ray.cli.parser import build_parser

    print(_SCRIPTS[options.shell](build_parser()), end="")
    return 0


def bash_script(parser: argparse.ArgumentParser) -> str:
    """Return the script for bash."""
    verbs = list(verbs_of(parser))
    groups: dict[str, list[str]] = {"": []}
    for name, _, _ in verbs:
        first, _, action = name.partition(" ")
        if first not in groups[""]:
            groups[""].append(first)
        if action:
            groups.setdefault(first, []).append(action)
    cases = [_case(f"{name}|{slot}", kind, words) for name, verb, _ in verbs for slot, kind, words in _slots(verb)]
    for group, names in groups.items():
        cases += [
            _case(f"{group}|-", "words", ["--help"] if group else ["--help", "--version"]),
            _case(f"{group}|1", "words", names),
        ]
    return _BASH.replace("@CASES@", "\n".join(cases)).replace("@GROUPS@", " ".join(filter(None, groups)))


def _slots(verb: argparse.ArgumentParser) -> Iterator[tuple[str, str, list[str]]]:
    """Yield every place of a command line of a verb with what stands there: `-` for options, an option, a position."""
    arguments = arguments_of(verb)
    options = [name for argument in arguments for name in argument.option_strings if name.startswith("--")]
    yield "-", "words", [*options, "--help"]
    positions = [argument for argument in arguments if not argument.option_strings]
    for argument in arguments:
        if argument.option_strings:
            kind = named_by(argument) if takes_value(argument) else "flag"
            yield argument.option_strings[-1], kind, list(words_of(argument))
    for number, argument in enumerate(positions, start=1):
        slot = "[1-9]*" if repeats(argument) else str(number)
        yield slot, named_by(argument), list(words_of(argument))


def _case(pattern: str, kind: str, words: list[str]) -> str:
    escaped = pattern.replace("|", "\\|").replace(" ", "\\ ")
    return f"        {escaped}) echo {shlex.quote(' '.join([kind, *words]))} ;;"


def zsh_script(parser: argparse.ArgumentParser) -> str:
    """Return the script for zsh: that of bash, which zsh can use."""
    return _ZSH + bash_script(parser)


def fish_script(parser: argparse.ArgumentParser) -> str:
    """Return the script for fish."""
    lines = ["# Completion of aca-ray for fish: aca-ray completion fish | source", _FISH, "complete -c aca-ray -f"]
    verbs = list(verbs_of(parser))
    for name, verb, about in verbs:
        group, _, action = name.partition(" ")
        if action:
            lines.append(f"complete -c aca-ray -n __fish_use_subcommand -a {group}")
            lines.append(
                f"complete -c aca-ray -n '__fish_seen_subcommand_from {group}; and not __fish_seen_subcommand_from "
                f"{' '.join(one.split()[1] for one, _, _ in verbs if one.startswith(f'{group} '))}' -a {action} "
                f"-d {shlex.quote(about)}"
            )
        else:
            lines.append(f"complete -c aca-ray -n __fish_use_subcommand -a {name} -d {shlex.quote(about)}")
        seen = " and ".join(f"__fish_seen_subcommand_from {word};" for word in name.split()).removesuffix(";")
        for argument in arguments_of(verb):
            text = shlex.quote(" ".join((argument.help or "").split()))
            option = [f"-l {argument.option_strings[-1].removeprefix('--')}"] if argument.option_strings else []
            value = [_FISH_VALUES[named_by(argument)]] if takes_value(argument) else []
            if words_of(argument):
                value = [f"-r -a {shlex.quote(' '.join(words_of(argument)))}"]
            if option or value:
                lines.append(" ".join([f"complete -c aca-ray -n '{seen}'", *option, *value, "-d", text]))
    return "\n".join(lines) + "\n"


_FISH = """\
function __aca_ray_sweeps
    set -l storage results
    set -l words (commandline -opc)
    if set -l index (contains -i -- --storage $words)
        set storage $words[(math $index + 1)]
    end
    for file in $storage/*/sweep.json
        basename (dirname $file)
    end
end"""
_FISH_VALUES = {
    "specs": "-r -a '(__fish_complete_suffix .yaml)'",
    "sweeps": "-r -a '(__aca_ray_sweeps)'",
    "files": "-r -F",
    "words": "",
    "nothing": "-r",
}
_ZSH = """\
# Completion of aca-ray for zsh: source <(aca-ray completion zsh)
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
autoload -Uz bashcompinit && bashcompinit
"""
_BASH = r"""# Completion of aca-ray for bash: source <(aca-ray completion bash)

# Print what can stand at a place of a command line, given the verb, and `-`, an option, or the number of a position.
_aca_ray_place() {
    case "$1|$2" in
@CASES@
    esac
}

_aca_ray() {
    local current="${COMP_WORDS[COMP_CWORD]}" verb="" storage=results position=1 expects="" place="" found="" index word
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        if [ "$word" = "=" ]; then
            continue
        elif [ -n "$expects" ]; then
            if [ "$expects" = --storage ]; then storage="$word"; fi
            expects=""
        elif [ "${word#-}" != "$word" ]; then
            place="$(_aca_ray_place "$verb" "$word")"
            case "$place" in flag*|"") ;; *) expects="$word" ;; esac
        elif [ -z "$verb" ]; then
            verb="$word"
        elif case " @GROUPS@ " in *" $verb "*) true ;; *) false ;; esac; then
            verb="$verb $word"
        else
            position=$((position + 1))
        fi
    done
    if [ "$current" = "=" ]; then current=""; fi
    if [ -n "$expects" ]; then
        place="$(_aca_ray_place "$verb" "$expects")"
    elif [ "${current#-}" != "$current" ]; then
        place="$(_aca_ray_place "$verb" -)"
    else
        place="$(_aca_ray_place "$verb" "$position")"
    fi
    case "$place" in
        words*) found="$(compgen -W "${place#words}" -- "$current")" ;;
        specs)
            compopt -o filenames 2> /dev/null
            found="$(compgen -d -- "$current"; compgen -f -- "$current" | grep -E '\.ya?ml$')" ;;
        files)
            compopt -o filenames 2> /dev/null
            found="$(compgen -f -- "$current")" ;;
        sweeps)
            found="$(
                case "$storage" in '~'*) storage="$HOME${storage#'~'}" ;; esac
                for word in "$storage"/*/sweep.json; do
                    if [ -f "$word" ]; then word="${word%/sweep.json}"; echo "${word##*/}"; fi
                done | while IFS= read -r word; do
                    case "$word" in "$current"*) echo "$word" ;; esac
                done
            )" ;;
    esac
    while IFS= read -r word; do
        if [ -n "$word" ]; then COMPREPLY+=("$word"); fi
    done <<< "$found"
}

complete -F _aca_ray aca-ray
"""
_SCRIPTS: dict[str, Callable[[argparse.ArgumentParser], str]] = {
    "bash": bash_script,
    "zsh": zsh_script,
    "fish": fish_script,
}
