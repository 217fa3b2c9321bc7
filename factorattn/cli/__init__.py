"""The command line; no mathematics.

main        the commands                             errors      one line and exit code 2 for bad input
inputs      q, k, v from the package or a file       sizes       "n=1e6" and "2^20"
options     a mechanism's options from its contract  measure     time and peak memory of a call
compare     every mechanism on one input             growth      the same at several lengths
columns     what is told of a mechanism              table       as a table in the terminal
export      as JSON and CSV                          page        as a page of HTML
charts      pictures for the page                    describe    list, show and cost
machine     what it ran on                           output      files written whole or not at all
screen      width and encoding of standard output
"""
