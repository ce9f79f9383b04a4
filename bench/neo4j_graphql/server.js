// @neo4j/graphql over the graph of a store, served by graphql-yoga on the loopback: what `bench.api`
// compares with. The types are those that its question asks for. Tells its port on standard output.
import { createServer } from "node:http";

import { Neo4jGraphQL } from "@neo4j/graphql";
import { createYoga } from "graphql-yoga";
import neo4j from "neo4j-driver";

const typeDefs = `#graphql
  type Application @node(labels: ["Record", "Application"]) {
    id: ID!
    name: String!
    criticality: String
    application_code: String
    version: String
    runsOn: [VirtualMachine!]! @relationship(type: "RUNS_ON", direction: OUT)
  }
  type VirtualMachine @node(labels: ["Record", "VirtualMachine"]) {
    id: ID!
    name: String!
    hostname: String
    cpu_count: Int
    memory_mib: Int
    runsOn: [Server!]! @relationship(type: "RUNS_ON", direction: OUT)
  }
  type Server @node(labels: ["Record", "Server"]) {
    id: ID!
    name: String!
    vendor: String
    model: String
    serial_number: String
  }
`;

const { CMDB_RIVAL_URI: uri, CMDB_RIVAL_USER: user, CMDB_RIVAL_PASSWORD: password } = process.env;
const driver = neo4j.driver(uri, neo4j.auth.basic(user, password));
const schema = await new Neo4jGraphQL({ typeDefs, driver }).getSchema();
const yoga = createYoga({ schema, graphiql: false, logging: false });
const server = createServer(yoga);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume(); // ends with who started it
