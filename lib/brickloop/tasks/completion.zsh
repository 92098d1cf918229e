# Completes invoke, brickloop and doit with the brickloop of the environment that they belong to.
_brickloop_program() {
    local path_of=${commands[$1]:-$1} folder
    for folder in "${path_of:h}" "${path_of:A:h}"; do
        if [[ -x $folder/brickloop ]]; then
            print -r -- "$folder/brickloop"
            return
        fi
    done
    [[ -n ${commands[brickloop]} ]] && print -r -- "${commands[brickloop]}"
}

_brickloop_complete() {
    local program line name
    local -a plain described
    program=$(_brickloop_program "${(Q)words[1]}")
    if [[ -z $program ]]; then
        _files
        return
    fi
    while IFS= read -r line; do
        if [[ $line == ":files" ]]; then
            _files
            return
        fi
        [[ $line == ":nospace" ]] && continue
        name=${line%%$'\t'*}
        if [[ $name == *[=/:] ]]; then
            plain+=("$name")
        else
            described+=("${name//:/\\:}:${line#*$'\t'}")
        fi
    done < <(_BRICKLOOP_COMPLETE=zsh "$program" "${${(Q)words[1]}:t}" \
        "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    (( $#plain )) && compadd -S '' -- "${plain[@]}"
    (( $#described )) && _describe -V 'brickloop' described
    return 0
}

(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _brickloop_complete invoke inv brickloop doit
