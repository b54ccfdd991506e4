// A component of Angular leaves listeners and clients behind, as any other one.
import { Component, Directive, OnInit, OnDestroy, inject } from "@angular/core";
import { Socket } from "ngx-socket-io";
import { io, Socket as Own } from "socket.io-client";
import { LiveService } from "./live.service";

@Component({ selector: "room" })
export class RoomComponent implements OnInit {
  private own: Own;
  private live = inject(LiveService);

  constructor(private socket: Socket) {
    this.socket.on("joined", (who) => this.greet(who)); // expect: listener-without-cleanup
  }

  ngOnInit() {
    this.own = io("/presence"); // expect: client-in-handler
    this.own.on("here", (who) => this.greet(who));
    this.live.socket.on("typing", (who) => this.greet(who)); // expect: listener-without-cleanup
  }

  ngOnChanges() {
    this.socket.on("changed", this.reload); // expect: listener-without-cleanup
  }
}

@Directive({ selector: "[live]" })
export class LiveDirective implements OnDestroy {
  constructor(private socket: Socket) {}

  ngAfterViewInit() {
    this.socket.on("tick", (n) => this.show(n)); // expect: listener-without-cleanup
  }

  ngOnDestroy() {
    this.socket.off("tock");
  }
}

@Component({ selector: "map" })
export class MapComponent implements OnInit, OnDestroy {
  private subscriptions: Subscription[] = [];
  constructor(private live: LiveService, private route: ActivatedRoute) {}

  ngOnInit() {
    this.subscriptions.push(this.route.params.subscribe((p) => this.show(p)));
    const socket = this.live.getSocket();
    socket.on("moved", (who) => this.show(who)); // expect: listener-without-cleanup
  }

  ngOnDestroy() {
    this.subscriptions.forEach((subscription) => subscription.unsubscribe());
  }
}
