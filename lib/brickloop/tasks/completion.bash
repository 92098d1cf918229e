# Completes invoke, brickloop and doit with the brickloop of the environment that they belong to.
_brickloop_program() {
    local path real folder
    path=$(type -P -- "$1" 2>/dev/null)
    if [[ -n $path ]]; then
        real=$path
        [[ -L $path ]] && real=$(readlink -f -- "$path" 2>/dev/null || printf '%s' "$path")
        for folder in "${path%/*}" "${real%/*}"; do
            if [[ -x $folder/brickloop ]]; then
                printf '%s' "$folder/brickloop"
                return
            fi
        done
    fi
    type -P brickloop
}

_brickloop_complete() {
    local program line
    COMPREPLY=()
    program=$(_brickloop_program "$1")
    if [[ -z $program ]]; then
        compopt -o default
        return
    fi
    while IFS= read -r line; do
        case $line in
            :files) compopt -o default ;;
            :nospace) compopt -o nospace ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(_BRICKLOOP_COMPLETE=bash "$program" "${1##*/}" "$COMP_WORDBREAKS" \
        "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}

complete -F _brickloop_complete invoke inv brickloop doit
