# The row `read`, of the system's cat.
#   sh bench/programs/fs/cat.sh read N FOLDER   as tide.lua there
start=$(date +%s%N)
cat "$3/large" >/dev/null
end=$(date +%s%N)
awk "BEGIN { print $2 / ($end - $start) * 1e9 }"
