# shellcheck shell=bash
# Jars from Maven Central with everything they need, kept in .services/jars; shared by Kafka and OpenSearch.

# The quick compiler only: both start with half the processor time, which on a small machine is half the wait, and answer
# faster for their first minutes. For long measurements: DOOS_SERVICES_JIT=full
java_flags=(-XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true)
[[ ${DOOS_SERVICES_JIT:-quick} == full ]] || java_flags+=(-XX:TieredStopAtLevel=1)

java_install() {
  local version
  need 'java javac mvn' default-jdk-headless maven
  version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  ((version >= 17)) || unavailable "needs Java 17 or newer, found $version: $(command -v java)"
}
# A folder is whole or not there.
fetch_jars() { # folder group:artifact:version…
  local folder=$root/jars/$1 scratch=$root/jars/.$1 log=$root/jars/$1.log coordinate group artifact version
  [[ ! -d $folder ]] || return 0
  echo "fetching the jars of $1"
  rm -rf "$scratch"
  mkdir -p "$scratch"
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>doos</groupId><artifactId>jars</artifactId><version>1</version><dependencies>'
    for coordinate in "${@:2}"; do
      IFS=: read -r group artifact version <<<"$coordinate"
      echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$scratch/pom.xml"
  timeout 600 mvn -B -f "$scratch/pom.xml" "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies" \
    -DincludeScope=runtime -DoutputDirectory="$scratch/lib" >"$log" 2>&1 </dev/null ||
    unavailable "Maven could not fetch $1: $(sed -n 's/^\[ERROR\] //p' "$log" | head -n 1)"
  mv "$scratch/lib" "$folder"
  rm -rf "$scratch"
}
