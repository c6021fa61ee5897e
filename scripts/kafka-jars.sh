#!/usr/bin/env bash
# Fetches Apache Kafka's jars through Maven, once, into the user's cache folder.
#
#   scripts/kafka-jars.sh            fetch what is missing
#   scripts/kafka-jars.sh --check    only say, by the exit status, whether they are there
#
# 4.3.1, because 4.4.0 cannot be resolved (a jar of it is missing from Central). `stack` looks for the same version.
set -euo pipefail
version=4.3.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/footfall
jars=${FOOTFALL_KAFKA_JARS:-$cache/kafka-$version}

if [ -f "$jars/kafka_2.13-$version.jar" ]; then exit 0; fi
if [ "${1:-}" = --check ]; then exit 1; fi

# Fetched beside it and renamed when complete: an interrupted fetch leaves no half of a Kafka.
echo "setup: fetching Kafka $version (44 MB) into $jars"
mkdir -p "$(dirname "$jars")"
partial=$(mktemp -d "$(dirname "$jars")/kafka.XXXXXX")
trap 'rm -rf "$partial"' EXIT
cat >"$partial/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>footfall</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$partial/pom.xml" dependency:copy-dependencies -DoutputDirectory="$partial/jars"
chmod 755 "$partial/jars"
rm -rf "$jars"
mv "$partial/jars" "$jars"
