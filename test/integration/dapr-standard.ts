/**
 * The standard's side of the gRPC door, for tests: its messages by their numbers, written down apart from gateway/dapr.proto, so
 * that a mistake there cannot fool both sides; and a client of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, loadPackageDefinition, Metadata, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { onTestFinished } from 'vitest'
import { silentLogger } from '../../core/logger.ts'
import { hostFacts, type DoorFacts } from '../../gateway/dapr/door-facts.ts'
import { grpcGateway, type GrpcGatewayOptions } from '../../gateway/grpc.ts'
import { TableDispatcher, type Method } from '../unit/gateway/table-dispatcher.ts'

const standard = `
syntax = "proto3";
package dapr.proto.runtime.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
service Dapr {
  rpc InvokeActor(InvokeRequest) returns (InvokeResponse) {}
  rpc GetActorState(GetStateRequest) returns (GetStateResponse) {}
  rpc ExecuteActorStateTransaction(TransactionRequest) returns (google.protobuf.Empty) {}
  rpc RegisterActorTimer(RegisterTimerRequest) returns (google.protobuf.Empty) {}
  rpc UnregisterActorTimer(OneRequest) returns (google.protobuf.Empty) {}
  rpc GetActorTimer(OneRequest) returns (Timer) {}
  rpc ListActorTimers(TypeRequest) returns (TimersResponse) {}
  rpc RegisterActorReminder(RegisterReminderRequest) returns (google.protobuf.Empty) {}
  rpc UnregisterActorReminder(OneRequest) returns (google.protobuf.Empty) {}
  rpc GetActorReminder(OneRequest) returns (google.protobuf.Empty) {}
  rpc ListActorReminders(TypeRequest) returns (google.protobuf.Empty) {}
  rpc UnregisterActorRemindersByType(TypeRequest) returns (google.protobuf.Empty) {}
  rpc GetMetadata(google.protobuf.Empty) returns (MetadataResponse) {}
  rpc SetMetadata(SetMetadataRequest) returns (google.protobuf.Empty) {}
  rpc Shutdown(google.protobuf.Empty) returns (google.protobuf.Empty) {}
  rpc SubscribeActorEventsAlpha1(stream FromApp) returns (stream ToApp) {}
}
message InvokeRequest { string actor_type = 1; string actor_id = 2; string method = 3; bytes data = 4; map<string, string> metadata = 5; }
message InvokeResponse { bytes data = 1; }
message GetStateRequest { string actor_type = 1; string actor_id = 2; string key = 3; }
message GetStateResponse { bytes data = 1; map<string, string> metadata = 2; }
message Operation { string operationType = 1; string key = 2; google.protobuf.Any value = 3; map<string, string> metadata = 4; }
message TransactionRequest { string actor_type = 1; string actor_id = 2; repeated Operation operations = 3; }
message RegisterTimerRequest {
  string actor_type = 1; string actor_id = 2; string name = 3; string due_time = 4; string period = 5; string callback = 6; bytes data = 7; string ttl = 8;
}
message RegisterReminderRequest { string actor_type = 1; string actor_id = 2; string name = 3; string due_time = 4; string period = 5; bytes data = 6; string ttl = 7; }
message OneRequest { string actor_type = 1; string actor_id = 2; string name = 3; }
message TypeRequest { string actor_type = 1; optional string actor_id = 2; }
message Timer {
  string actor_type = 1; string actor_id = 2; optional string due_time = 3; optional string period = 4; optional string ttl = 5; optional string callback = 6;
  google.protobuf.Any data = 7;
}
message NamedTimer { string name = 1; Timer timer = 2; }
message TimersResponse { repeated NamedTimer timers = 1; }
message Count { string type = 1; int32 count = 2; }
message Component { string name = 1; string type = 2; string version = 3; repeated string capabilities = 4; }
message Health { string health_check_path = 1; string health_probe_interval = 2; string health_probe_timeout = 3; int32 health_threshold = 4; }
message Connection { int32 port = 1; string protocol = 2; string channel_address = 3; int32 max_concurrency = 4; Health health = 5; }
message ActorRuntime { int32 runtime_status = 1; repeated Count active_actors = 2; bool host_ready = 3; string placement = 4; }
message MetadataResponse {
  string id = 1; repeated Count active_actors_count = 2; repeated Component registered_components = 3; map<string, string> extended_metadata = 4;
  repeated google.protobuf.Empty subscriptions = 5; repeated google.protobuf.Empty http_endpoints = 6; Connection app_connection_properties = 7;
  string runtime_version = 8; repeated string enabled_features = 9; ActorRuntime actor_runtime = 10;
}
message SetMetadataRequest { string key = 1; string value = 2; }
message Reentrancy { bool enabled = 1; optional int32 max_stack_depth = 2; }
message Entity {
  repeated string entities = 1; optional google.protobuf.Duration actor_idle_timeout = 2; optional google.protobuf.Duration drain_ongoing_call_timeout = 3;
  optional bool drain_rebalanced_actors = 4; optional Reentrancy reentrancy = 5;
}
message Initial {
  repeated string entities = 1; optional google.protobuf.Duration actor_idle_timeout = 2; optional google.protobuf.Duration drain_ongoing_call_timeout = 3;
  optional bool drain_rebalanced_actors = 4; optional Reentrancy reentrancy = 5; repeated Entity entities_config = 6;
}
message Invoked { string id = 1; bytes data = 2; map<string, string> metadata = 3; bool error = 4; }
message Ticked { string id = 1; bool cancel = 2; }
message Deactivated { string id = 1; }
message Failed { string id = 1; uint32 code = 2; string message = 3; }
message FromApp {
  oneof request_type {
    Initial initial_request = 1; Invoked invoke_response = 2; Ticked reminder_response = 3; Ticked timer_response = 4; Deactivated deactivate_response = 5; Failed request_failed = 6;
  }
}
message InvokeApp { string id = 1; string actor_type = 2; string actor_id = 3; string method = 4; bytes data = 5; map<string, string> metadata = 6; }
message RemindApp {
  string id = 1; string actor_type = 2; string actor_id = 3; string name = 4; string due_time = 5; string period = 6; google.protobuf.Any data = 7; map<string, string> metadata = 8;
}
message TickApp {
  string id = 1; string actor_type = 2; string actor_id = 3; string name = 4; string due_time = 5; string period = 6; string callback = 7; google.protobuf.Any data = 8;
  map<string, string> metadata = 9;
}
message DeactivateApp { string id = 1; string actor_type = 2; string actor_id = 3; }
message ToApp {
  oneof response_type {
    google.protobuf.Empty initial_response = 1; InvokeApp invoke_request = 2; RemindApp reminder_request = 3; TickApp timer_request = 4; DeactivateApp deactivate_request = 5;
  }
}
`

export interface Door {
  readonly dispatcher: TableDispatcher
  readonly address: string
  readonly facts: DoorFacts
  stop(timeoutMs: number): Promise<void>
  /** One unary call; `actorType: 'Account'` and `actorId: 'a'` unless the request says otherwise. */
  ask(rpc: string, request?: object, metadata?: Metadata): Promise<any>
  /** How it fails. */
  fails(rpc: string, request?: object, metadata?: Metadata): Promise<ServiceError>
  subscribe(metadata?: Metadata): ClientDuplexStream<any, any>
}

export interface DoorSetting extends Partial<Omit<GrpcGatewayOptions, 'facts'>> {
  readonly facts?: Partial<DoorFacts>
  readonly methods?: Record<string, Method>
  readonly operations?: TableDispatcher['operations']
}

/** A door of a TableDispatcher, and a client of the standard before it; gone when the test is. */
export async function openDoor({ facts: given, methods = {}, operations = {}, ...options }: DoorSetting = {}): Promise<Door> {
  const facts = { ...hostFacts(), ...given }
  const dispatcher = new TableDispatcher(methods)
  Object.assign(dispatcher.operations, operations)
  const gateway = grpcGateway({ port: 0, facts, ...options })
  const { address } = await gateway.start(dispatcher, silentLogger)
  onTestFinished(() => gateway.stop(0))
  const stub = standardStub(address)
  const ask: Door['ask'] = (rpc, request = {}, metadata = new Metadata()) => new Promise((resolve, reject) => {
    const sent = { actorType: 'Account', actorId: 'a', ...request }
    stub[rpc](sent, metadata, { deadline: Date.now() + 5000 }, (error: ServiceError | null, value: unknown) => error ? reject(error) : resolve(value))
  })
  return {
    dispatcher, address, facts, ask,
    stop: timeoutMs => gateway.stop(timeoutMs),
    fails: (...call) => ask(...call).then(() => { throw new Error('it did not fail') }, (error: ServiceError) => error),
    subscribe: (metadata = new Metadata()) => stub.SubscribeActorEventsAlpha1(metadata),
  }
}

function standardStub(address: string): Client & Record<string, any> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-proto-'))
  const file = join(folder, 'standard.proto')
  writeFileSync(file, standard)
  const { Dapr } = (loadPackageDefinition(loadSync(file, { oneofs: true })) as any).dapr.proto.runtime.v1
  rmSync(folder, { recursive: true, force: true })
  const stub = new Dapr(address, credentials.createInsecure()) as Client & Record<string, any>
  onTestFinished(() => stub.close())
  return stub
}
