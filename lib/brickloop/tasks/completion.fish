# Completes invoke, brickloop and doit with the brickloop of the environment that they belong to.
function __brickloop_program
    set -l path (command -s -- $argv[1])
    if test -n "$path"
        for folder in (dirname -- $path) (dirname -- (realpath -- $path))
            if test -x $folder/brickloop
                echo $folder/brickloop
                return
            end
        end
    end
    command -s brickloop
end

function __brickloop_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (__brickloop_program $words[1])
    if test -z "$program"
        __fish_complete_path "$current"
        return
    end
    set -lx _BRICKLOOP_COMPLETE fish
    for line in ($program (basename -- $words[1]) $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':nospace'
            case '*'
                printf '%s\n' $line
        end
    end
end

for name in invoke inv brickloop doit
    complete -c $name -f -k -a '(__brickloop_complete)'
end
